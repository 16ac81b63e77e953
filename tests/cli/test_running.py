"""What a command does that may take long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from world import plasm_environment


def test_an_interrupt_while_modules_are_imported_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from plasm.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=plasm_environment(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_garbage_of_what_may_take_long_is_collected() -> None:
    """The command itself begins without: it would take a tenth of a short run."""
    code = """
import gc, weakref
from plasm.ops.running import run

class Ring:
    def __init__(self):
        self.itself = self

async def main():
    first = weakref.ref(Ring())
    while first():
        Ring()
    return "collected"

gc.disable()
print(run(main))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=plasm_environment(), capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"collected\n"
