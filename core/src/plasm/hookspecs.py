"""Everything that a plugin can provide or observe.

A plugin is a module whose functions carry :data:`hookimpl`, named by an entry point in the group of its kind:
``plasm.runtime``, ``plasm.discovery``, ``plasm.transport``, ``plasm.signing``, ``plasm.boot_mode`` or
``plasm.extension``.  The entry point's name is what people type.  The module sets ``PLASM_HOOK_API`` to the
version below that it was written for, and imports heavy libraries inside its hooks, never at import.

Two more names in the module are read where the user chose no plugin.  Of several usable ones of a kind, the one with
the highest ``PLASM_PREFERENCE``, a whole number, is taken; without it, 0 counts.  A discovery with
``PLASM_NEEDS_BOOTSTRAP = True`` comes before the others where peers to begin with are configured, and is not chosen
otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    import typer

    from plasm.config import Config
    from plasm.contracts import BootMode, Discovery, JobEvent, RootfsNeeds, Runtime, Signer, Transport
    from plasm.model import Manifest, Outcome, PeerId

HOOK_API: Final = 1

hookspec = pluggy.HookspecMarker("plasm")
hookimpl = pluggy.HookimplMarker("plasm")


@hookspec(firstresult=True)
def plasm_runtime(config: Config) -> Runtime:
    """``plasm.runtime``: a runtime, created in the worker process that will run jobs with it."""


@hookspec(firstresult=True)
def plasm_discovery(config: Config, node: PeerId, transport: Transport) -> Discovery:
    """``plasm.discovery``: a way to find peers and to be found as ``node``.  One that speaks over ``transport`` names
    it among its arguments and then always gets it; one that does not is used without a transport, too."""


@hookspec(firstresult=True)
def plasm_transport(config: Config, identity: Signer) -> Transport:
    """``plasm.transport``: a transport on which this node proves to be ``identity``."""


@hookspec(firstresult=True)
def plasm_signer(config: Config) -> Signer:
    """``plasm.signing``: the signer with this user's key; raises ``IdentityMissing`` where none was made."""


@hookspec(firstresult=True)
def plasm_create_identity(config: Config, replace: bool) -> Signer:
    """``plasm.signing``: make a new key.  Where one exists, ``replace`` keeps it aside under another name, and
    otherwise ``IdentityExists`` is raised: a key is never lost."""


@hookspec(firstresult=True)
def plasm_boot_mode() -> BootMode:
    """``plasm.boot_mode``: a boot mode, chosen by ``--mode`` or ``phase.mode=`` on the kernel command line."""


@hookspec(firstresult=True)
def plasm_admit_job(config: Config, manifest: Manifest, peer: PeerId | None) -> str | None:
    """``plasm.extension``: why this job is refused, a text that the submitter reads, or ``None``; ``peer`` is ``None``
    for this machine's user.  The first refusal counts.  Called before a byte of the module is read from a peer.

    A hook that raises, or returns anything else, refuses the job.  On a node it is called in a thread; several calls
    may be under way at once, and all extensions together have ten seconds, after which the job is refused."""


@hookspec
def plasm_job_event(job_id: str, event: JobEvent, outcome: Outcome | None) -> None:
    """``plasm.extension``: a job went on: ``JobEvent.STARTED``, or ``JobEvent.FINISHED`` with its outcome.

    What this hook and the next one raise is reported and changes nothing for the job.  On a node each extension is told
    in a thread of its own, in order."""


@hookspec
def plasm_receipt_issued(job_id: str, receipt: bytes) -> None:
    """``plasm.extension``: a receipt was signed; ``receipt`` is the DSSE envelope as JSON."""


@hookspec
def plasm_compose_rootfs(mode: BootMode) -> RootfsNeeds:
    """``plasm.extension`` and every other kind: what this plugin needs in a boot image of ``mode``."""


@hookspec
def plasm_cli(app: typer.Typer) -> None:
    """``plasm.extension``: add commands to the command line."""
