"""The root file system: Debian without what it was installed with, Plasm as a service, and what the mode asks for."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from attrs import evolve

from plasm import service
from plasm.contracts import BootMode, RootfsNeeds
from plasm_boot.building import kernel
from plasm_boot.building.contents import Contents, Entry, file, link, matching, owned, read_folder
from plasm_boot.building.debian import Debian
from plasm_boot.building.firewall import ruleset
from plasm_boot.building.launcher import launcher
from plasm_boot.building.picking import UNUSED_LIBRARY
from plasm_boot.building.python import LIBRARY

# What is there for installing more, for other machines, or different at every installation.
_DROPPED: Final = (
    *("etc/apt", "var/lib/apt", "var/cache/*", "var/log/*", "var/lib/dpkg", "var/backups/*", "etc/*-", "boot/*"),
    *("usr/share/perl", "usr/share/perl5", "usr/lib/*/perl", "usr/lib/*/perl-base", "usr/bin/perl*"),
    *("usr/lib/udev/hwdb.d", "usr/share/bash-completion", "usr/share/debconf", "usr/share/zsh", "usr/lib/*/gconv/*"),
    *("usr/share/doc/*/examples", "usr/share/lintian", "usr/share/i18n", "usr/share/bug", "usr/share/polkit-1"),
    *("usr/lib/apt", "usr/lib/dpkg", "usr/bin/apt*", "usr/bin/dpkg*", "usr/share/gdb", "usr/share/pixmaps"),
    *("etc/machine-id", "var/lib/dbus", "etc/ld.so.cache~", "usr/lib/python3/dist-packages/__pycache__"),
    *("etc/systemd/system/timers.target.wants", "etc/systemd/system/*/e2scrub*", "etc/.pwd.lock", "etc/hostname"),
    *(
        "etc/resolv.conf",
        "usr/lib/systemd/system/apt-*",
        "usr/lib/systemd/system/dpkg-*",
        "phase",
        "etc/fstab",
        "usr/lib/systemd/boot",
    ),
    *(f"{LIBRARY}/{pattern}" for pattern in UNUSED_LIBRARY),
)

# Never asked anything, never logged into, nothing measured into a TPM that nobody looks at.
_MASKED: Final = (
    *("systemd-firstboot.service", "systemd-repart.service", "systemd-machine-id-commit.service"),
    *("systemd-pcrphase.service", "systemd-pcrphase-sysinit.service", "systemd-boot-check-no-failures.service"),
    *("systemd-remount-fs.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("hwclock.service", "nftables.service", "proc-sys-fs-binfmt_misc.automount"),
)
_UNITS: Final = "usr/lib/systemd/system"
_ENABLED: Final = "etc/systemd/system"

# The user of plasmd.service; a number of Debian's for local use, that is the same in every image: it owns kept state.
_USER: Final = 801


def rootfs(
    debian: Debian, wheels: Contents, needs: RootfsNeeds, mode: BootMode, settings: Mapping[str, object], *, shell: bool
) -> Contents:
    """The files of a root file system for ``mode`` with these ``wheels``; ``settings`` are keys of the node's
    configuration."""
    base = read_folder(debian.root, unless=matching(*_DROPPED), owners=debian.owners)
    networked = mode.policy.network_scope != "none"
    parts = (
        base,
        kernel.modules(debian, (*kernel.ROOTFS, *needs.kernel_modules), kernel.NETWORK_FOLDERS),
        wheels,
        _overlay("base"),
        _overlay("network") if networked else {},
        _overlay("shell") if shell else {},
        _plasm(settings, needs.configuration),
        _accounts(debian),
        {f"{_ENABLED}/{name}": link("/dev/null") for name in _masked(shell=shell)},
        _enabled(_units(mode, needs, networked=networked)),
        {"etc/nftables.conf": file(ruleset(needs.ports if networked else ()))},
    )
    contents: Contents = {}
    for part in parts:
        contents |= part
    return contents


def _overlay(name: str) -> Contents:
    return {
        path: evolve(entry, mode=stat.S_IFMT(entry.mode) | (0o755 if stat.S_ISDIR(entry.mode) else 0o644))
        for path, entry in read_folder(Path(str(files(__package__) / "overlays" / name))).items()
    }


def _plasm(settings: Mapping[str, object], configuration: Mapping[str, str]) -> Contents:
    variables = "".join(
        f'Environment="PLASM_{key.upper().replace(".", "_")}={value}"\n' for key, value in sorted(configuration.items())
    )
    hello = files("plasm_boot") / "hello.wasm"
    node = {f"{_ENABLED}/plasmd.service.d/plugins.conf": file(f"[Service]\n{variables}")} if variables else {}
    return node | {
        "usr/bin/plasm": file(service.LAUNCHER, 0o755),
        f"{_UNITS}/plasmd.service": file(service.unit()),
        "usr/lib/plasm/phase-hello": launcher("plasm_boot.stage2.hello"),
        "usr/share/plasm/hello.wasm": file(hello.read_bytes()),
        "etc/plasm/config.toml": file(_toml(settings)),
        **owned({"var/lib/plasm": Entry(stat.S_IFDIR | 0o700)}, _USER, _USER),
    }


def _toml(settings: Mapping[str, object]) -> str:
    lines = ["# What the boot mode chose; plasm config show tells all that holds.\n"]
    for key, value in settings.items():
        texts = ", ".join(_quoted(text) for text in value) if isinstance(value, tuple) else ""
        lines.append(f"{key} = [{texts}]\n" if isinstance(value, tuple) else f"{key} = {_quoted(str(value))}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _accounts(debian: Debian) -> Contents:
    etc = debian.root / "etc"
    # Nobody has a password: * lets nobody in.
    shadow = "".join(_locked(line) for line in (etc / "shadow").read_text().splitlines(keepends=True))
    _, shadow_group = debian.owners.get("etc/shadow", (0, 0))
    return {
        "etc/passwd": file(
            (etc / "passwd").read_text() + f"plasm:x:{_USER}:{_USER}::/var/lib/plasm:/usr/sbin/nologin\n"
        ),
        "etc/group": file((etc / "group").read_text() + f"plasm:x:{_USER}:\n"),
        "etc/shadow": Entry(stat.S_IFREG | 0o640, f"{shadow}plasm:!*:1::::::\n".encode(), 0, shadow_group),
    }


def _locked(line: str) -> str:
    # The day of the last change is that of the installation.
    name, _, _, rest = line.split(":", 3)
    return f"{name}:*:1:{rest}"


def _masked(*, shell: bool) -> Iterable[str]:
    return _MASKED if shell else (*_MASKED, "getty.target", "emergency.service", "rescue.service")


def _units(mode: BootMode, needs: RootfsNeeds, *, networked: bool) -> Iterable[tuple[str, str]]:
    """Units and what wants them."""
    yield "phase-hello.service", "multi-user.target"
    yield "phase-firewall.service", "sysinit.target"
    if networked:
        yield "phase-network.service", "multi-user.target"
        yield "phase-network.service", "network-online.target"
    if mode.plugins.get("transport"):
        yield "plasmd.service", "multi-user.target"
    for unit in needs.systemd_units:
        yield unit, "multi-user.target"


def _enabled(units: Iterable[tuple[str, str]]) -> Contents:
    wants = {f"{_ENABLED}/{target}.wants/{unit}": link(f"/{_UNITS}/{unit}") for unit, target in units}
    return wants | {f"{_ENABLED}/default.target": link(f"/{_UNITS}/multi-user.target")}
