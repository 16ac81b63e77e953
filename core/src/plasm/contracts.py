"""What the objects that plugins hand to the core must do.

Each class here is the contract of one plugin kind; the docstrings are the specification, and the classes of the
same kind in :mod:`plasm.testing` are its executable form.  A plugin need not inherit from anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol

from attrs import field, frozen

from plasm.model import Invocation, LimitKind, Limits, Outcome, PeerId, Preopen

Stream = Literal["stdout", "stderr"]

NO_DATA: Mapping[str, str] = {}


class OutputSink(Protocol):
    """Where a running job's output goes, as it comes."""

    def write(self, stream: Stream, data: bytes) -> bool:
        """Take ``data``; ``False`` says that the job must stop now, and that part of ``data`` may be dropped."""
        ...


@frozen
class Call:
    """An invocation made concrete on the machine that runs it.

    ``stdin`` is a file descriptor open for reading, owned by the caller, or ``None`` for an empty one.
    """

    invocation: Invocation
    preopens: tuple[Preopen, ...] = ()
    stdin: int | None = None


@frozen
class Execution:
    """What a runtime says of a finished job; fields it does not measure are ``None``."""

    outcome: Outcome
    peak_memory: int | None = None
    fuel: int | None = None


class CompiledModule(Protocol):
    """A module ready to run, in a form that only the runtime that made it understands."""


class Runtime(Protocol):
    """Runs WASI preview 1 commands.  Used by one worker process and one job at a time.

    ``enforces`` names the limits that the runtime keeps by itself, exactly.  The executor keeps wall time and
    output from outside as well; a job with another limit that is not in ``enforces`` is refused before it starts.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def enforces(self) -> frozenset[LimitKind]: ...

    def artifact_key(self, limits: Limits) -> str:
        """Names everything beside the module that a compiled artifact depends on: engine version, processor
        features, settings that ``limits`` call for.  At most 100 characters of ``[A-Za-z0-9._+-]``."""
        ...

    def compile(self, module: bytes, limits: Limits) -> CompiledModule:
        """Compile ``module`` for jobs with these limits.

        Raises:
            InvalidModule: malformed, too complex, not a command (no ``_start``).
            UnsupportedImport: it imports what WASI preview 1 does not have; the message names it.
        """
        ...

    def dump(self, compiled: CompiledModule) -> bytes:
        """The artifact to keep on disk; native code, never accepted from anybody else."""
        ...

    def load(self, artifact: bytes, limits: Limits) -> CompiledModule:
        """The inverse of :meth:`dump`, under the same :meth:`artifact_key`.

        Raises:
            InvalidModule: the artifact cannot be used; the caller compiles anew.
        """
        ...

    def execute(self, compiled: CompiledModule, call: Call, limits: Limits, sink: OutputSink) -> Execution:
        """Run the job to its end.

        The job sees only ``call``: no network, no other file, no variable of this process.  Instantiation
        (start sections included) counts as part of the run.  When ``sink`` asks to stop, or after
        :meth:`interrupt`, the outcome is ``cancelled``; the executor knows the cause.
        """
        ...

    def interrupt(self) -> None:
        """Make the running :meth:`execute` end soon.  Called from another thread, at most once a process; the
        process is not used again.  A runtime that cannot do it returns, and the process is killed."""
        ...


class Signer(Protocol):
    """Holds an Ed25519 key, or speaks to what holds it; never gives the private half away."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key (RFC 8032)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature over ``message`` itself, not over a digest of it.

        Raises:
            IdentityError: the key cannot be used now.
        """
        ...


@frozen
class PeerRecord:
    """A candidate: a peer and where it may be reached.  Nothing in it is to be believed before the handshake."""

    peer: PeerId
    addresses: tuple[str, ...] = field(default=(), converter=tuple)


class Discovery(Protocol):
    """Finds peers and lets them find this node."""

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        """Make ``record`` known under each capability key, and keep it known until :meth:`stop`."""
        ...

    def find(self, capability: str) -> AsyncIterator[PeerRecord]:
        """Candidates for a capability key, each peer once, as they are found; ends when there are no more."""
        ...

    async def stop(self) -> None:
        """Say good-bye where the protocol can, and release every socket."""
        ...


class ByteStream(Protocol):
    """One ordered, reliable, two-way stream of bytes within a connection."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """The next bytes, at most ``max_bytes``; empty when the other side has finished sending."""
        ...

    async def send(self, data: bytes) -> None:
        """Send all of ``data``; waits while the other side does not read."""
        ...

    async def send_eof(self) -> None:
        """Finish sending; receiving goes on."""
        ...

    async def reset(self) -> None:
        """Abandon both directions at once; the other side's calls fail."""
        ...


class Connection(Protocol):
    """An encrypted connection whose other end has proved its peer id."""

    @property
    def peer(self) -> PeerId: ...

    async def open_stream(self, protocol: str) -> ByteStream: ...

    async def close(self) -> None: ...


StreamHandler = Callable[[Connection, str, ByteStream], Awaitable[None]]


class Transport(Protocol):
    """Carries streams between peers; encrypted always, the remote peer id authenticated before the first byte."""

    async def listen(self, handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        """Accept streams for ``protocols``; returns the multiaddresses where peers can dial."""
        ...

    async def dial(self, record: PeerRecord) -> Connection:
        """Connect to that very peer at one of its addresses.

        Raises:
            PlasmError: no address answers, or another peer does.
        """
        ...

    async def stop(self) -> None: ...


@frozen
class BootPolicy:
    """What a booted machine may keep and reach."""

    persistent_identity: bool
    cache: bool
    writes: bool
    network_scope: Literal["internet", "lan", "none"]


@frozen
class BootMode:
    """A named choice of plugins for a machine that boots into Plasm.

    ``plugins`` maps plugin kinds (``runtime``, ``discovery``, ``transport``, ``signing``) to names.
    """

    name: str
    title: str
    plugins: Mapping[str, tuple[str, ...]]
    policy: BootPolicy
    kernel_arguments: tuple[str, ...] = field(default=(), converter=tuple)


@frozen
class RootfsNeeds:
    """What a plugin needs in a boot image; the builder takes the union over the chosen plugins."""

    wheels: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()
    systemd_units: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    configuration: Mapping[str, str] = NO_DATA
