"""Programs of another architecture run here, and the machine is not changed for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from plasm_boot.building import emulation
from plasm_boot.building.architectures import ARCHITECTURES, Architecture
from plasm_boot.building.run import find

NATIVE = ARCHITECTURES.get(os.uname().machine)


@pytest.fixture
def foreign() -> Architecture:
    """An architecture that is not this machine's, and whose programs can be emulated here."""
    arch = next(each for each in ARCHITECTURES.values() if each != NATIVE)
    if missing := [program for program in emulation.tools(arch) if find(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}; make test-slow installs them where it may")
    if run(*emulation.before_starting(arch), "true").returncode:
        pytest.skip("needs user namespaces that may have a binfmt_misc of their own")
    return arch


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.skipif(NATIVE is None, reason="images are not built for this machine's architecture")
def test_programs_of_this_machine_need_nothing() -> None:
    assert NATIVE is not None
    assert (emulation.tools(NATIVE), emulation.before_one(NATIVE), emulation.before_starting(NATIVE)) == ((), (), ())


def test_programs_that_others_start_are_run_and_the_machine_forgets_how(foreign: Architecture) -> None:
    before = registrations()
    done = run(*emulation.before_starting(foreign), "arch-test", foreign.debian)
    assert done.stdout.strip() == f"{foreign.debian}: ok", done.stderr
    assert registrations() == before


def test_what_is_not_there_is_said_without_a_traceback(foreign: Architecture) -> None:
    done = run(*emulation.before_starting(foreign), "no-such-program")
    assert done.returncode == 1
    assert done.stderr == "no-such-program: No such file or directory\n"


def registrations() -> set[str]:
    return {path.name for path in Path("/proc/sys/fs/binfmt_misc").glob("*")}
