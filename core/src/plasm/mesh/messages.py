"""The messages of a job's stream, as values.

Each is validated where it is made, so what a peer sent and what we send ourselves obey the same rules.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final, Literal

from attrs import field, frozen

from plasm.errors import InvalidInput
from plasm.mesh.framing import MAX_CONTROL_BYTES, MAX_DATA_BYTES
from plasm.model import MAX_MODULE_BYTES, Sha256, is_sha256
from plasm.model.quantities import is_safe_count

MAX_CHUNK_BYTES: Final = MAX_DATA_BYTES - 64
_MAX_MANIFEST_BYTES: Final = MAX_CONTROL_BYTES - 1024
_MAX_TEXT: Final = 4096


class RejectReason(StrEnum):
    """Why a node does not take a job."""

    INSUFFICIENT_RESOURCES = "insufficient-resources"
    ARCH_MISMATCH = "arch-mismatch"
    RUNTIME_NOT_SUPPORTED = "runtime-not-supported"
    LIMIT_NOT_ENFORCEABLE = "limit-not-enforceable"
    QUEUE_FULL = "queue-full"
    DRAINING = "draining"
    NOT_AUTHORISED = "not-authorised"
    INVALID_REQUEST = "invalid-request"


class Phase(StrEnum):
    """How far an accepted job has come."""

    QUEUED = "queued"
    RUNNING = "running"


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise InvalidInput(what)


def _is_chunk(value: object) -> bool:
    return type(value) is bytes and 0 < len(value) <= MAX_CHUNK_BYTES


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= _MAX_TEXT


@frozen
class Offer:
    """Client to node: a job.  ``manifest`` is its canonical JSON, ``nonce`` 64 hex digits that the client chose."""

    TYPE: ClassVar[str] = "offer"
    manifest: bytes
    module: Sha256
    module_size: int
    nonce: str
    stdin: bool = False

    def __attrs_post_init__(self) -> None:
        _check(type(self.manifest) is bytes and len(self.manifest) <= _MAX_MANIFEST_BYTES, "a manifest too long")
        _check(type(self.module) is str and is_sha256(self.module), "a module digest that is none")
        _check(is_safe_count(self.module_size) and self.module_size <= MAX_MODULE_BYTES, "a module size out of range")
        _check(type(self.nonce) is str and is_sha256(self.nonce), "a nonce that is not 64 hex digits")
        _check(type(self.stdin) is bool, "stdin must be true or false")


@frozen
class Accept:
    """Node to client: the job will run, in about ``starts_in_ms``; ``module_wanted`` asks for the module's bytes."""

    TYPE: ClassVar[str] = "accept"
    module_wanted: bool
    starts_in_ms: int = 0

    def __attrs_post_init__(self) -> None:
        _check(type(self.module_wanted) is bool, "module_wanted must be true or false")
        _check(is_safe_count(self.starts_in_ms), "a start out of range")


@frozen
class Reject:
    """Node to client: the job will not run here."""

    TYPE: ClassVar[str] = "reject"
    reason: RejectReason = field(converter=RejectReason)
    detail: str = ""

    def __attrs_post_init__(self) -> None:
        _check(_is_text(self.detail), "a detail that is no text, or too long")


@frozen
class ModuleChunk:
    """Client to node: the next bytes of the module."""

    TYPE: ClassVar[str] = "module"
    data: bytes = field(repr=False)

    def __attrs_post_init__(self) -> None:
        _check(_is_chunk(self.data), "a chunk that is empty or too long")


@frozen
class StdinChunk:
    """Client to node: the next bytes of the job's input."""

    TYPE: ClassVar[str] = "stdin"
    data: bytes = field(repr=False)

    def __attrs_post_init__(self) -> None:
        _check(_is_chunk(self.data), "a chunk that is empty or too long")


@frozen
class StdinEnd:
    """Client to node: the job's input is complete."""

    TYPE: ClassVar[str] = "stdin-end"


@frozen
class OutputChunk:
    """Node to client: the next bytes that the job wrote."""

    TYPE: ClassVar[str] = "output"
    stream: Literal["stdout", "stderr"]
    data: bytes = field(repr=False)

    def __attrs_post_init__(self) -> None:
        _check(self.stream in ("stdout", "stderr"), "a stream that is neither stdout nor stderr")
        _check(_is_chunk(self.data), "a chunk that is empty or too long")


@frozen
class Progress:
    """Node to client: how far the job is, and for how long it has been accepted."""

    TYPE: ClassVar[str] = "progress"
    phase: Phase = field(converter=Phase)
    elapsed_ms: int

    def __attrs_post_init__(self) -> None:
        _check(is_safe_count(self.elapsed_ms), "a time out of range")


@frozen
class Result:
    """Node to client: the job has ended, and this is its receipt (a DSSE envelope as JSON)."""

    TYPE: ClassVar[str] = "result"
    receipt: bytes = field(repr=False)

    def __attrs_post_init__(self) -> None:
        _check(type(self.receipt) is bytes and 0 < len(self.receipt) <= MAX_CONTROL_BYTES - 64, "no receipt")


@frozen
class Failure:
    """Node to client: the job was accepted and cannot be run; ``code`` is that of an error in ``plasm.errors``."""

    TYPE: ClassVar[str] = "failure"
    code: str
    message: str = ""

    def __attrs_post_init__(self) -> None:
        _check(_is_text(self.code) and _is_text(self.message), "a failure that is no text, or too long")


Message = Offer | Accept | Reject | ModuleChunk | StdinChunk | StdinEnd | OutputChunk | Progress | Result | Failure
