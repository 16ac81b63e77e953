"""Archives, shared libraries and tools: what building is made of, without building anything."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot.built import unpack_cpio

from plasm_boot.building import elf
from plasm_boot.building.archives import write_cpio, write_tar
from plasm_boot.building.contents import Contents, Entry, file, link, matching, read_folder, with_folders
from plasm_boot.building.python import sourceless
from plasm_boot.building.run import run
from plasm_boot.errors import BuildFailed, ToolMissing
from world import Plasm


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    (tmp_path / "large").write_bytes(b"x" * 70_001)
    return {
        "usr/bin/tool": file("#!/bin/sh\n", 0o755),
        "bin": link("usr/bin"),
        "usr/share/large": file(tmp_path / "large"),
        "var/lib/node": Entry(stat.S_IFDIR | 0o700, b"", 801, 801),
    }


def test_a_cpio_archive_has_what_was_put_in(contents: Contents) -> None:
    out = io.BytesIO()
    write_cpio(contents, out, 1_700_000_000)
    assert len(out.getvalue()) % 4 == 0
    assert unpack_cpio(out.getvalue()) == {
        "usr/bin/tool": b"#!/bin/sh\n",
        "bin": b"usr/bin",
        "usr/share/large": b"x" * 70_001,
    }


def test_a_cpio_archive_is_the_same_whatever_the_order(contents: Contents) -> None:
    one, other = io.BytesIO(), io.BytesIO()
    write_cpio(contents, one, 1)
    write_cpio(dict(reversed(contents.items())), other, 1)
    assert one.getvalue() == other.getvalue()


def test_folders_come_before_what_is_in_them(contents: Contents) -> None:
    paths = list(with_folders(contents))
    assert paths.index("usr") < paths.index("usr/bin") < paths.index("usr/bin/tool")


def test_a_tar_archive_keeps_owners_and_modes(contents: Contents) -> None:
    out = io.BytesIO()
    write_tar(contents, out, 1_700_000_000)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        node, tool = archive.getmember("var/lib/node"), archive.getmember("usr/bin/tool")
        assert (node.uid, node.gid, node.mode, node.mtime) == (801, 801, 0o700, 1_700_000_000)
        assert (tool.uid, tool.mode) == (0, 0o755)
        assert archive.getmember("bin").linkname == "usr/bin"


def test_a_folder_is_read_without_what_is_not_wanted(tmp_path: Path) -> None:
    for name in ("keep/a", "drop/b", "keep/c.pyi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = read_folder(tmp_path, "site", unless=matching("drop", "*.pyi"), owners={"keep/a": (7, 8)})
    assert sorted(found) == ["site/keep", "site/keep/a"]
    assert (found["site/keep/a"].uid, found["site/keep/a"].read()) == (7, b"keep/a")


def test_byte_code_takes_the_place_of_sources() -> None:
    contents = {
        "site/one.py": file("source"),
        "site/__pycache__/one.cpython-311.pyc": file("code"),
        "site/data.json": file("{}"),
        "site/template.py": file("not Python"),
    }
    assert {path: entry.read() for path, entry in sourceless(contents).items()} == {
        "site/one.pyc": b"code",
        "site/data.json": b"{}",
        "site/template.py": b"not Python",
    }


def test_needed_libraries_are_those_that_the_loader_would_load() -> None:
    program = Path(sys.executable).resolve()
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    loaded = set(re.findall(r"^\s+(\S+) => /", told, re.MULTILINE))
    if not loaded:
        pytest.skip("this Python is linked statically")
    assert set(elf.needed(program.read_bytes())) <= loaded | {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    folder = Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH"))
    if not (folder / "libc.so.6").exists():
        pytest.skip("libraries are somewhere else here")
    assert "libc.so.6" in {path.name for path in elf.libraries([program], [folder])}


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(100)])
def test_what_is_no_such_program_needs_nothing(data: bytes) -> None:
    assert elf.needed(data) == []


def test_a_program_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(BuildFailed, match=r"tar failed with status 2: .*nowhere"):
        run("tar", "-xf", "/nowhere.tar")


def test_a_program_that_is_missing_is_told() -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        run("no-such-program")


def test_missing_programs_are_named_with_the_packages_that_have_them(
    plasm: Plasm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = plasm("boot", "build", "--mode", "private", tmp_path / "build")
    assert done.returncode == 125
    said = done.stderr.decode()
    assert "error[boot-tool-missing]" in said
    assert "apt install" in said
    for package in ("mmdebstrap", "squashfs-tools", "zstd"):
        assert package in said
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--mode", "nowhere"], "plugin-not-found"),
        (["--plugins", "wasmer"], "invalid-input"),
        (["--state", "1kB"], "invalid-input"),
        (["--state", "much"], "invalid-input"),
    ],
)
def test_a_build_that_cannot_be_is_refused_at_once(
    plasm: Plasm, tmp_path: Path, arguments: list[str], code: str
) -> None:
    done = plasm("boot", "build", *arguments, tmp_path / "build")
    assert done.returncode != os.EX_OK
    said = done.stderr.decode()
    assert f"error[{code}]" in said or "error[boot-tool-missing]" in said
    assert "Traceback" not in said
