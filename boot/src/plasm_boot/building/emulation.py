"""Programs of another architecture, run on this machine by QEMU's user emulation.

A single program is run by naming the emulator before it.  For a program of this machine that starts others of that
architecture, in a root folder of theirs, the kernel has to know the emulator as their interpreter (binfmt_misc).  Where
the machine's does not, it is told in a user namespace of its own, which Linux can since 6.7: so the machine's own
registrations stay as they are, and nobody need be root.

``python -m plasm_boot.building.emulation ARCH PROGRAM …`` does the latter.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

from plasm_boot.building.architectures import Architecture, architecture
from plasm_boot.building.run import find, run
from plasm_boot.errors import BuildFailed
from plasm_boot.linux import syscalls

_BINFMT: Final = "/proc/sys/fs/binfmt_misc"
_EVERY_ID: Final = 2**32 - 1

# An ELF header up to its machine: 64 bits, little-endian, of any ABI, executable (2) or shared (3).
_HEADER: Final = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0"
_MASK: Final = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"


def tools(arch: Architecture) -> tuple[str, ...]:
    """What has to be here to run programs of ``arch``."""
    return (_emulator(arch), "arch-test") if _is_foreign(arch) else ()


def before_one(arch: Architecture) -> tuple[str, ...]:
    """What goes before the words of a program of ``arch``."""
    return (_emulator(arch),) if _is_foreign(arch) else ()


def before_starting(arch: Architecture) -> tuple[str, ...]:
    """What goes before the words of a program of this machine that starts programs of ``arch``."""
    return (sys.executable, "-m", __name__, arch.name) if _is_foreign(arch) and not _is_registered(arch) else ()


def _is_registered(arch: Architecture) -> bool:
    try:
        run("arch-test", arch.debian)
    except BuildFailed:
        return False
    return True


def _is_foreign(arch: Architecture) -> bool:
    return os.uname().machine != arch.name


def _emulator(arch: Architecture) -> str:
    """Linked statically, so that it works in any root folder."""
    return f"qemu-{arch.name}-static"


def enter(arch: Architecture) -> None:
    """Make this process root of a user namespace in which programs of ``arch`` run.

    Raises:
        OSError: the kernel does not let us, or is too old.
        CalledProcessError: whoever this is has no ids to lend, and programs are installed as several users.
    """
    _enter_user_namespace()
    syscalls.mount("binfmt_misc", _BINFMT, "binfmt_misc")
    Path(_BINFMT, "register").write_bytes(_registration(arch))


def _registration(arch: Architecture) -> bytes:
    """As Documentation/admin-guide/binfmt-misc.rst has it; F: opened now, so that it is there in every root folder."""
    magic = _HEADER + arch.elf.to_bytes(2, "little")
    fields = ("", f"plasm-{arch.name}", "M", "", _escaped(magic), _escaped(_MASK), find(_emulator(arch)) or "", "F")
    return ":".join(fields).encode()


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _enter_user_namespace() -> None:
    """Go into a new one as its root, with all the users that we may have; only who stays outside can give us them."""
    entered, enter = os.pipe()
    ours = os.getpid()
    outside = os.fork()
    if not outside:
        os.close(enter)
        os.read(entered, 1)
        _map_users(ours)
        os._exit(0)
    os.close(entered)
    syscalls.unshare(syscalls.NEW_USERS | syscalls.NEW_MOUNTS)
    os.close(enter)
    _, status = os.waitpid(outside, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), "newuidmap")


def _map_users(process: int) -> None:
    if os.getuid() == 0:
        for kind in ("uid", "gid"):
            Path(f"/proc/{process}/{kind}_map").write_text(f"0 0 {_EVERY_ID}")
        return
    name = pwd.getpwuid(os.getuid()).pw_name
    for kind, own in (("uid", os.getuid()), ("gid", os.getgid())):
        first, count = _lent_ids(Path(f"/etc/sub{kind}"), name)
        subprocess.run([f"new{kind}map", *map(str, (process, 0, own, 1, 1, first, count))], check=True)  # noqa: S603


def _lent_ids(path: Path, name: str) -> tuple[int, int]:
    """The first of the ids that ``name`` may give to others, and their number: subuid(5)."""
    for line in path.read_text().splitlines():
        user, first, count = line.split(":")
        if user == name:
            return int(first), int(count)
    raise OSError(f"{path} lends no ids to {name}")


def _main(name: str, *command: str) -> NoReturn:
    try:
        enter(architecture(name))
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"programs of {name} do not run here, and cannot be made to: {error}"
            " (it takes Linux 6.7 and user namespaces, or qemu-user-static registered in binfmt_misc)"
        )
    try:
        os.execvp(command[0], command)  # noqa: S606 - whoever calls names the program
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
