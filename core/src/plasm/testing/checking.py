"""Runs a contract without pytest, and tells of each behaviour what came of it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Sequence
from enum import StrEnum

from attrs import frozen

from plasm.errors import PlasmError
from plasm.testing._workbench import Workbench
from plasm.testing.runtime import RuntimeContract


class State(StrEnum):
    """What came of a behaviour; ``declared`` says that the plugin refuses what it cannot do, as it should."""

    PASSED = "passed"
    DECLARED = "declared"
    FAILED = "failed"


@frozen
class Result:
    """One behaviour: the test's name, what it says must hold, whether it does, and why not; ``trace`` is the traceback
    of the runtime where it failed in a job."""

    test: str
    behaviour: str
    state: State
    why: str = ""
    trace: str = ""


def runtime_contract(name: str) -> type[RuntimeContract]:
    """The contract for the runtime plugin called ``name``."""
    return type("Contract", (RuntimeContract,), {"runtime": name})


def check(contract: type[Workbench], tests: Sequence[str] = ()) -> Iterator[Result]:
    """Run the tests of ``contract``, or those of ``tests`` only, each result as it comes."""
    contract.setup_class()
    try:
        for test in tests or _tests(contract):
            yield _result(contract(), test)
    finally:
        contract.teardown_class()


def _tests(contract: type[Workbench]) -> list[str]:
    """Their names in the order in which they are written."""
    names = [name for part in reversed(contract.__mro__) for name in vars(part) if name.startswith("test_")]
    return list(dict.fromkeys(names))


def _result(bench: Workbench, test: str) -> Result:
    method = getattr(bench, test)
    behaviour = (inspect.getdoc(method) or test).partition("\n")[0].rstrip(".").replace("``", "`")
    bench.setup_method()
    try:
        method()
    except Exception as error:
        trace = error.trace if isinstance(error, PlasmError) else bench.trace
        return Result(test, behaviour, State.FAILED, _reason(error), trace)
    finally:
        bench.teardown_method()
    return Result(test, behaviour, State.DECLARED if bench.declared else State.PASSED, bench.declared)


def _reason(error: Exception) -> str:
    """In one line: what a test says of its failure, or else the assertion that did not hold."""
    said = " ".join(str(error).split())
    if not isinstance(error, AssertionError):
        return f"{type(error).__name__}: {said}"
    return said or traceback.extract_tb(error.__traceback__)[-1].line or "an assertion failed"
