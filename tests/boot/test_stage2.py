"""Stage 2's own parts: what it is told, and how the root file system is checked."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import plasm_boot
from plasm_boot.stage2.arguments import Arguments
from plasm_boot.stage2.verity import Verity

HASH = "ab" * 32


def test_the_signed_part_of_the_command_line_has_the_first_word() -> None:
    said = Arguments.parse(
        f"console=ttyS0 phase.verity={HASH}:8192 phase.state=uuid phase.bootstrap=/a phase.bootstrap=/b "
        f"phase.verity={'cd' * 32}:4096"
    )
    assert said == Arguments(Verity(HASH, 8192), "uuid", ("/a", "/b"), None, None)


def test_the_time_of_the_handover_has_passed() -> None:
    assert Arguments.parse(f"phase.verity={HASH}:8192 phase.time=1750000000").passed == datetime(
        2025, 6, 15, 15, 6, 40, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["", "soon", "9" * 20, "nan"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"phase\.time"):
        Arguments.parse(f"phase.verity={HASH}:8192 phase.time={text}")


@pytest.mark.parametrize("text", ["", f"{HASH}", f"{HASH}:0", f"{HASH}:4097", f"{HASH.upper()}:4096", f"{HASH}:-4096"])
def test_a_root_file_system_that_cannot_be_checked_is_not_mounted(text: str) -> None:
    with pytest.raises(ValueError, match=r"phase\.verity"):
        Arguments.parse(f"quiet phase.verity={text}" if text else "quiet")


def test_the_hashes_lie_behind_the_data_and_a_wrong_block_stops_the_machine() -> None:
    table = Verity(HASH, 8192).table("/dev/loop0")
    assert table == f"1 /dev/loop0 /dev/loop0 4096 4096 2 2 sha256 {HASH} - 1 panic_on_corruption"


def test_stage_2_needs_the_standard_library_only() -> None:
    """Without Plasm and every wheel, as in its initramfs; so its package's own ``__init__`` is not imported either."""
    source = Path(plasm_boot.__file__).parent
    code = (
        "import sys, types\n"
        "package = types.ModuleType('plasm_boot'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['plasm_boot'] = package\n"
        "import plasm_boot.stage2.init, plasm_boot.stage2.hello\n"
        "foreign = [name for name in sys.modules if name.partition('.')[0] in ('attr', 'attrs', 'plasm')]\n"
        "sys.exit(' '.join(foreign) or None)\n"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", code, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
