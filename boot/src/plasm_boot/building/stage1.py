"""The initramfs of stage 1: Python, the wheels of the mode's discovery, drivers, and a client for DHCP.

What it is to trust and where it looks is in a second archive, :func:`settings`, which an image puts beside it.
"""

from __future__ import annotations

import stat

from plasm.contracts import BootMode
from plasm_boot.building import kernel, picking
from plasm_boot.building.contents import Contents, Entry, file, link
from plasm_boot.building.debian import Debian
from plasm_boot.building.launcher import launcher
from plasm_boot.building.python import sourceless
from plasm_boot.building.wheels import lean
from plasm_boot.settings import ROOT_METADATA, SETTINGS, ImageSettings

_NETWORK_USERS = ("root", "dhcpcd", "_dhcpcd")


def stage1(debian: Debian, wheels: Contents, mode: BootMode, modules: tuple[str, ...], *, shell: bool) -> Contents:
    """The files of a first stage for ``mode`` with these ``wheels`` and ``modules`` besides the usual ones."""
    networked = mode.policy.network_scope != "none"
    drivers = kernel.modules(
        debian,
        (*kernel.STAGE1, *modules, *(kernel.NETWORK if networked else ())),
        kernel.NETWORK_FOLDERS if networked else (),
    )
    contents = (
        picking.foundation()
        | picking.python(debian)
        | picking.package(debian, "kmod", without=("etc/*", "usr/lib/initramfs-tools/*", "usr/lib/systemd/*"))
        | drivers
        | sourceless(lean(wheels))
        | {"init": launcher("plasm_boot.stage1")}
    )
    if networked:
        contents |= _network(debian)
    else:
        contents |= picking.accounts(debian, {"root": "/root"})
    if shell:
        contents |= _shell(debian)
    return picking.with_libraries(debian, contents)


def settings(settings: ImageSettings, root: bytes) -> Contents:
    """What an image tells its first stage: its settings, and the root metadata that it trusts."""
    return {SETTINGS: file(settings.to_bytes()), ROOT_METADATA: file(root)}


def _network(debian: Debian) -> Contents:
    users = {name: "/usr/lib/dhcpcd" if name != "root" else "/root" for name in _NETWORK_USERS}
    return (
        picking.pick(debian, ["usr/sbin/dhcpcd", "usr/lib/ssl/cert.pem", "usr/lib/ssl/openssl.cnf"])
        | picking.accounts(debian, users)
        | {"etc/dhcpcd.conf": file(debian.root / "etc/dhcpcd.conf"), "var/lib/dhcpcd": Entry(stat.S_IFDIR | 0o755)}
    )


def _shell(debian: Debian) -> Contents:
    applets = ("sh", "ls", "cat", "ip", "ps", "dmesg", "mount", "umount", "ping", "nslookup", "vi", "less", "find")
    links = {f"usr/bin/{name}": link("busybox") for name in applets}
    return picking.pick(debian, ["usr/bin/busybox"]) | links
