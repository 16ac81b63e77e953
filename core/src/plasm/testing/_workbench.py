"""What the tests of a runtime share: folders of their own, an executor, a way to run a job and what came of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar, Final, TypeVar

from attrs import field, frozen

from plasm.artifacts.cache import ArtifactCache
from plasm.artifacts.modules import Module, read_module
from plasm.errors import FeatureNotProvided, LimitNotEnforceable, PlasmError
from plasm.execution.parent.executor import Executor
from plasm.execution.parent.replies import RuntimeDescription
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.job import Job, Report
from plasm.jobs.sinks import CollectingSink, OutputSink
from plasm.model import (
    Determinism,
    Feature,
    Invocation,
    LimitKind,
    Limits,
    Manifest,
    Outcome,
    OutcomeKind,
    Preopen,
    TrapKind,
)

_PATIENCE_MS: Final = 10_000
"""The wall time of a job that says nothing else: a runtime that does not do what it should is not waited for."""

_GUESTS: Final = Path(__file__).with_name("guests")
_SHOWN_BYTES: Final = 60

_Test = TypeVar("_Test", bound=Callable[[Any], None])
_Error = TypeVar("_Error", bound=PlasmError)


@cache
def guest(name: str) -> Module:
    """The module ``name`` of :file:`guests`, without its ending."""
    return read_module(_GUESTS / f"{name}.wasm")


@frozen
class Finished:
    """What came of a job."""

    report: Report
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    @property
    def outcome(self) -> Outcome:
        return self.report.outcome

    @property
    def kind(self) -> OutcomeKind:
        return self.report.outcome.kind

    @property
    def texts(self) -> list[str]:
        """What it wrote to stdout, where each text ended with a NUL."""
        return self.stdout.decode().split("\0")[:-1]

    @property
    def number(self) -> int:
        """The one number that it wrote to stdout."""
        return int(self.texts[0])

    def __str__(self) -> str:
        parts = [f"the job {self.outcome}"]
        for name, data in (("stdout", self.stdout), ("stderr", self.stderr)):
            if data:
                parts.append(f"{len(data)} bytes on {name}: {data[:_SHOWN_BYTES]!r}")
        return "; ".join(parts)


class Workbench:
    """The world of one test; pytest and :mod:`plasm.testing.checking` set it up by these names.

    The tests of a class share an executor, for starting a worker takes longer than most of them.
    """

    runtime: ClassVar[str]
    vague_traps: ClassVar[frozenset[TrapKind]] = frozenset()

    _base: ClassVar[Path]
    _shared: ClassVar[Executor | None] = None
    _description: ClassVar[RuntimeDescription | None] = None

    folder: Path
    declared: str
    trace: str
    """The traceback of the runtime where it failed in the last job, or empty."""

    @classmethod
    def setup_class(cls) -> None:
        cls._base = Path(mkdtemp(prefix="plasm-contract-"))

    @classmethod
    def teardown_class(cls) -> None:
        if cls._shared is not None:
            cls._shared.close()
            cls._shared = None
        shutil.rmtree(cls._base)

    def setup_method(self) -> None:
        self.folder = Path(mkdtemp(dir=self._base))
        self.declared = ""
        self.trace = ""

    def teardown_method(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def description(self) -> RuntimeDescription:
        """What the runtime says of itself."""
        cls = type(self)
        if cls._description is None:
            cls._description = self.executor.describe()
        return cls._description

    @property
    def executor(self) -> Executor:
        """The executor that the tests of this class share."""
        cls = type(self)
        if cls._shared is None:
            cls._shared = self.new_executor(ArtifactCache(self._base / "artifacts"))
        return cls._shared

    def new_executor(self, cache: ArtifactCache | None = None) -> Executor:
        """Another executor of the runtime, with a worker of its own."""
        return Executor(self.runtime, cache or ArtifactCache(self._base / "artifacts"))

    def run(
        self,
        *args: str,
        module: Module | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | int | None = None,
        folders: Sequence[Preopen] = (),
        limits: Limits | None = None,
        determinism: Determinism | None = None,
        cancellation: Cancellation | None = None,
        sink: OutputSink | None = None,
        executor: Executor | None = None,
    ) -> Finished:
        """Run a job to its end; without a ``module`` it is the guest ``probe``, whose command ``args`` are."""
        module = module or guest("probe")
        invocation = Invocation(args, env or {}, [folder.mount for folder in folders])
        manifest = Manifest(
            module.digest,
            invocation,
            limits or Limits(wall_time=_PATIENCE_MS),
            deterministic=determinism is not None,
            clock=determinism.clock if determinism else 0,
            seed=determinism.seed if determinism else 0,
        )
        kept = CollectingSink()  # stays empty where somebody else takes the output
        try:
            report = (executor or self.executor).run(
                Job(manifest, module, tuple(folders)), sink or kept, stdin=stdin, cancellation=cancellation
            )
        except PlasmError as error:
            self.trace = error.trace
            raise
        self.trace = report.trace
        return Finished(report, kept.content("stdout"), kept.content("stderr"))

    def declare(self, what: str) -> None:
        """Record what the runtime says it cannot do; the test has passed all the same."""
        self.declared = what


def needs(*abilities: Feature | LimitKind) -> Callable[[_Test], _Test]:
    """Marks a test of something that a runtime may lack.  One that says so must refuse the job and name what it lacks.

    Determinism may be refused to some modules by a runtime that has it for others.
    """

    def decorate(test: _Test) -> _Test:
        @wraps(test)
        def run(self: Workbench) -> None:
            said = self.description.enforces | self.description.provides
            lacking = {ability for ability in abilities if ability not in said}
            expected = lacking | {Feature.DETERMINISM}.intersection(abilities)
            try:
                test(self)
            except (FeatureNotProvided, LimitNotEnforceable) as refusal:
                if not any(ability in refusal.message for ability in expected):
                    raise
                self.declare(refusal.message)
            else:
                assert not lacking, f"it does what it says it cannot: {', '.join(sorted(lacking))}"

        return run  # type: ignore[return-value]

    return decorate


def refusal(kind: type[_Error], run: Callable[[], Finished]) -> _Error:
    """The error of ``kind`` with which what ``run`` runs is refused."""
    try:
        finished = run()
    except kind as error:
        return error
    raise AssertionError(f"not refused: {finished}")


def limits(**bounds: int) -> Limits:
    """Limits with some patience where nothing else is said."""
    return Limits(**{"wall_time": _PATIENCE_MS, **bounds})


class Silence:
    """A pipe into which nobody ever writes, to be read from ``descriptor``."""

    def __enter__(self) -> Silence:
        self.descriptor, self._write_end = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        os.close(self._write_end)
