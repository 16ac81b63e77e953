"""Every error a user can meet: what was wrong, what to do next, a stable code, an exit status.

The codes are part of the public interface and are listed in ``docs/errors.md``.  Raise the narrowest class
here; nothing else than a :class:`PlasmError` may reach a person.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from typing import Self

    from plasm.model.mistakes import Mistake, Mistakes

_MAX_SHOWN_MISTAKES: Final = 20


class ExitStatus(IntEnum):
    """Exit statuses of the ``plasm`` command beside those of the job itself."""

    OK = 0
    CODE_OUT_OF_RANGE = 123
    TIMED_OUT = 124
    FAILED = 125
    REFUSED = 126
    INTERRUPTED = 130
    TRAPPED = 134
    OUTPUT_CLOSED = 141


class PlasmError(Exception):
    """Base of all errors; ``code`` is stable, ``hint`` says what to do next.

    ``trace`` is the traceback of what a plugin raised, for the plugin's author only; empty where there is none.
    """

    code: ClassVar[str] = "failed"
    exit_status: ClassVar[ExitStatus] = ExitStatus.FAILED
    trace: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InternalError(PlasmError):
    """A mistake of Plasm's own."""

    code = "internal-error"


class InvalidInput(PlasmError):
    """A value given by the user that cannot be used."""

    code = "invalid-input"


class InvalidDocument(InvalidInput):
    """A document that somebody wrote, with mistakes in it.

    Message and hint are the first mistake's.  ``mistakes`` are the first 20 in the order of the document,
    empty where they are not known one by one; ``others`` is the number of the rest.
    """

    mistakes: tuple[Mistake, ...] = ()
    others: int = 0

    @classmethod
    def of(cls, mistakes: Mistakes) -> Self:
        """The error for ``mistakes``."""
        first = mistakes.first[:_MAX_SHOWN_MISTAKES]
        error = cls(first[0].located_message, hint=first[0].hint)
        error.mistakes = first
        error.others = len(mistakes.first) - len(first) + mistakes.others
        return error

    def __str__(self) -> str:
        more = max(0, len(self.mistakes) - 1) + self.others
        return super().__str__() + (f"; and {more} more" if more else "")


class InvalidManifest(InvalidDocument):
    """A manifest that is not one, or that asks for what the model does not allow."""

    code = "invalid-manifest"


class InvalidConfig(InvalidDocument):
    """A configuration that is not one: a file or a variable."""

    code = "invalid-config"


class UnreadableInput(InvalidInput):
    """A file, folder or stream of the user's that cannot be read."""

    code = "unreadable-input"


class UnwritableOutput(InvalidInput):
    """A place where the user wants a result and nothing can be written."""

    code = "unwritable-output"


class InvalidModule(InvalidInput):
    """Bytes that are not a WebAssembly module, or one that Plasm does not run."""

    code = "invalid-module"


class UnsupportedImport(InvalidModule):
    """A module that imports what no job is given."""

    code = "unsupported-import"


class LimitNotEnforceable(PlasmError):
    """A limit that neither the chosen runtime nor the executor can enforce."""

    code = "limit-not-enforceable"
    exit_status = ExitStatus.REFUSED


class FeatureNotProvided(PlasmError):
    """A job that needs what the chosen runtime cannot give it."""

    code = "feature-not-provided"
    exit_status = ExitStatus.REFUSED


class QueueFull(PlasmError):
    """As many jobs are waiting as may wait."""

    code = "queue-full"


class JobCancelled(PlasmError):
    """A job that was cancelled before there was a result."""

    code = "cancelled"
    exit_status = ExitStatus.INTERRUPTED


class JobRefused(PlasmError):
    """A job that is not to be run here."""

    code = "not-admitted"
    exit_status = ExitStatus.REFUSED


class AccessDenied(PlasmError):
    """Somebody who may not ask a node for this."""

    code = "access-denied"
    exit_status = ExitStatus.REFUSED


class PluginError(PlasmError):
    """A plugin that could not be loaded or that broke its contract."""

    code = "plugin-failed"


class PluginNotFound(PluginError):
    """No installed plugin has the name asked for."""

    code = "plugin-not-found"


class PluginIncompatible(PluginError):
    """A plugin made for another version of the hooks."""

    code = "plugin-incompatible"


class IdentityError(PlasmError):
    """A key that cannot be used to sign."""

    code = "identity-unusable"


class IdentityMissing(IdentityError):
    """No key has been made yet."""

    code = "identity-missing"


class IdentityExists(IdentityError):
    """A key is already there and would be lost."""

    code = "identity-exists"


class WorkerFailed(PlasmError):
    """The worker process could not be started or could not take a job."""

    code = "worker-failed"


class PeerError(PlasmError):
    """Something that went wrong between peers."""

    code = "peer-failed"


class PeerUnreachable(PeerError):
    """No address of a peer answers, or the connection to it is gone."""

    code = "peer-unreachable"


class PeerNotFound(PeerError):
    """No peer was found that takes the job."""

    code = "peer-not-found"


class PeerRejected(PeerError):
    """A peer does not take the job."""

    code = "peer-rejected"


class OutputUnwanted(PeerError):
    """Whoever reads a job's output has gone."""

    code = "output-unwanted"
    exit_status = ExitStatus.OUTPUT_CLOSED


class ProtocolNotSpoken(PeerError):
    """A peer that does not speak a protocol of ours."""

    code = "protocol-not-spoken"


class AddressUnavailable(PlasmError):
    """An address at which this machine cannot listen."""

    code = "address-unavailable"


class NodeNotRunning(PlasmError):
    """No node is there to be asked."""

    code = "node-not-running"


class NodeStopping(PlasmError):
    """The node is ending, and cannot be kept from it any more."""

    code = "node-stopping"


class NodeRunning(PlasmError):
    """A node with the same key and state is running."""

    code = "node-running"


class ProtocolViolation(PeerError):
    """A peer that does not keep to the protocol."""

    code = "protocol-violation"


class InvalidReceipt(PlasmError):
    """Bytes that are not a receipt."""

    code = "invalid-receipt"


class VerificationFailed(PlasmError):
    """A receipt that does not hold, or does not speak of what it was compared with."""

    code = "verification-failed"


class PeerLied(VerificationFailed):
    """What a peer sent does not verify."""

    code = "peer-lied"


def by_code(code: str) -> type[PlasmError]:
    """The class of the errors with this ``code``; :class:`PlasmError` where there is none."""
    classes = [PlasmError]
    for known in classes:
        if known.code == code:
            return known
        classes.extend(known.__subclasses__())
    return PlasmError
