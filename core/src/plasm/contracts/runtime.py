"""The contract of a runtime: what runs a module, and the values that go in and come out."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from plasm.model import Determinism, Feature, Invocation, LimitKind, Limits, Outcome, Preopen

Stream = Literal["stdout", "stderr"]


class Terms(NamedTuple):
    """On what terms a job runs.  Code may be compiled differently for different terms."""

    limits: Limits
    determinism: Determinism | None = None


class Call(NamedTuple):
    """An invocation made concrete on the machine that runs it.

    ``stdin`` is the reading end of a pipe (for a deterministic job a file), or ``None`` for an empty one; ``stdout``
    and ``stderr`` are writing ends.  All three stay their owner's.  A write waits while nobody reads, and the job with
    it.
    """

    invocation: Invocation
    stdout: int
    stderr: int
    stdin: int | None = None
    preopens: tuple[Preopen, ...] = ()


class Execution(NamedTuple):
    """What a runtime says of a finished job; fields it does not measure are ``None``."""

    outcome: Outcome
    peak_memory: int | None = None
    fuel: int | None = None


class CompiledModule(Protocol):
    """A module ready to run, in a form that only the runtime that made it understands."""


class Runtime(Protocol):
    """Runs WASI preview 1 commands.  Used by one worker process and one job at a time.

    ``enforces`` names the limits that the runtime keeps by itself, exactly.  The executor keeps all but fuel from
    outside as well, memory by the size of the process; a job with a limit that nobody keeps is refused before it
    starts, and so is one that needs a feature which ``provides`` does not name.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def enforces(self) -> frozenset[LimitKind]: ...

    @property
    def provides(self) -> frozenset[Feature]: ...

    def artifact_key(self, terms: Terms) -> str:
        """Names everything beside the module that a compiled artifact depends on: engine version, processor
        features, settings that ``terms`` call for.  At most 100 characters of ``[A-Za-z0-9._+-]``."""
        ...

    def compile(self, module: bytes, terms: Terms) -> CompiledModule:
        """Compile ``module`` for jobs on these terms.

        Raises:
            InvalidModule: malformed, too complex, not a command (no ``_start``).
            UnsupportedImport: it imports what WASI preview 1 does not have; the message names it, as that of
                :func:`plasm.model.wasi.unsupported_imports` does.
        """
        ...

    def dump(self, compiled: CompiledModule) -> bytes:
        """The artifact to keep on disk; native code, never accepted from anybody else."""
        ...

    def load(self, artifact: bytes, terms: Terms) -> CompiledModule:
        """The inverse of :meth:`dump`, under the same :meth:`artifact_key`.

        Raises:
            InvalidModule: the artifact cannot be used; the caller compiles anew.
        """
        ...

    def execute(self, compiled: CompiledModule, call: Call, terms: Terms) -> Execution:
        """Run the job to its end; everything it wrote has been written to ``call``'s descriptors by then.

        The job sees only ``call``: no network, no other file, no variable of this process.  Instantiation
        (start sections included) counts as part of the run.  A deterministic job gets its time from a
        :class:`~plasm.model.VirtualClock` and its random bytes from a :class:`~plasm.model.RandomStream`.  After
        :meth:`interrupt` the outcome is ``cancelled``; the executor knows the cause.
        """
        ...

    def interrupt(self) -> None:
        """Make the running :meth:`execute` end soon.  Called from another thread, at most once a process; the
        process is not used again.  A runtime that cannot do it returns, and the process is killed."""
        ...
