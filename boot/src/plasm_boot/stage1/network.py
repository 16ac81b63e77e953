"""The machine's wired links, and addresses at them: by dhcpcd, which knows DHCP, IPv4LL and IPv6's advertisements.

A link is brought up by dhcpcd itself, so that one which nobody asked for stays down.  Nothing here is to be called in
a mode without a network.
"""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from plasm_boot.errors import NoNetwork
from plasm_boot.linux.fixed_address import FixedAddress
from plasm_boot.stage1.devices import Devices

_DHCPCD: Final = "/usr/sbin/dhcpcd"
_LINKS: Final = Path("/sys/class/net")
_SECONDS_FOR_LINKS: Final = 15.0
_SECONDS_FOR_AN_ADDRESS: Final = 20.0
_ETHERNET: Final = "1"  # ARPHRD_ETHER
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8914, 0x8915
_IFF_UP: Final = 1
_GLOBAL_SCOPE: Final = "00"
_NAME_SERVERS: Final = re.compile(r"(?:domain_name_servers|dhcp6_name_servers|nd\d+_rdnss\d+_servers)=(.*)")


def begin(fixed: FixedAddress | None) -> None:
    """Have dhcpcd begin at the links that are there; it works beside us."""
    for link in wired_links():
        _start(link, fixed)


def bring_up(devices: Devices, fixed: FixedAddress | None) -> list[str]:
    """See to it that this machine has an address; returns all it has.

    Raises:
        NoNetwork: there is no wired link, or no address at any after some seconds.
    """
    if not devices.wait_for(lambda: bool(wired_links()), _SECONDS_FOR_LINKS):
        raise NoNetwork(
            "this machine has no wired link that its kernel has a driver for",
            hint="plug in a network adapter, or boot another mode",
        )
    _up("lo")

    def addressed() -> bool:
        begin(fixed)
        # IPv4 comes last, for dhcpcd first asks whether the address is free; what is looked for may need it.
        return any(map(ipv4_address, wired_links()))

    if not devices.wait_for(addressed, _SECONDS_FOR_AN_ADDRESS) and not addresses():
        raise NoNetwork(f"no address at {', '.join(map(_state, wired_links()))}", hint="check cable, switch and DHCP")
    _use_name_servers(fixed)
    return addresses()


def wired_links() -> list[str]:
    """The names of the Ethernet links that belong to a device."""
    return [link.name for link in sorted(_LINKS.iterdir()) if _is_wired(link)]


def addresses() -> list[str]:
    """The addresses at wired links by which others can be reached: IPv4, and IPv6 beyond the link."""
    links = wired_links()
    return [*filter(None, map(ipv4_address, links)), *ipv6_addresses(Path("/proc/net/if_inet6").read_text(), links)]


def ipv4_address(link: str) -> str | None:
    """The first IPv4 address at ``link``."""
    try:
        return socket.inet_ntoa(_interface_request(_SIOCGIFADDR, link)[20:24])
    except OSError:
        return None


def ipv6_addresses(if_inet6: str, links: Iterable[str]) -> Iterator[str]:
    """Those in the text of /proc/net/if_inet6 that hold beyond their link and are at one of ``links``."""
    for line in if_inet6.splitlines():
        digits, _, _, scope, _, link = line.split()
        if scope == _GLOBAL_SCOPE and link in links:
            yield str(ipaddress.IPv6Address(int(digits, 16)))


def name_servers(lease: str) -> list[str]:
    """The addresses of name servers in what ``dhcpcd --dumplease`` prints; what is no address is passed over."""
    found: dict[str, None] = {}
    for values in filter(None, map(_NAME_SERVERS.fullmatch, lease.splitlines())):
        for word in values[1].replace("'", "").split():
            try:
                found[str(ipaddress.ip_address(word))] = None
            except ValueError:
                continue
    return list(found)


def dhcpcd_command(link: str, fixed: FixedAddress | None) -> list[str]:
    """How dhcpcd is called for ``link``: in the background, without a configuration and without scripts."""
    command = [_DHCPCD, "--config", "/dev/null", "--script", "", "--quiet", "--background", "--nodelay"]
    return [*command, *(fixed.dhcpcd_options() if fixed else ()), link]


def _start(link: str, fixed: FixedAddress | None) -> None:
    if not Path(f"/run/dhcpcd/{link}.pid").exists():
        for folder in ("/run/dhcpcd", "/var/lib/dhcpcd"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        _run(dhcpcd_command(link, fixed))


def _use_name_servers(fixed: FixedAddress | None) -> None:
    servers = [str(fixed.dns)] if fixed is not None and fixed.dns is not None else []
    for link in wired_links():
        servers += name_servers(_run([_DHCPCD, "--config", "/dev/null", "--dumplease", link]))
    Path("/etc/resolv.conf").write_text("".join(f"nameserver {server}\n" for server in servers[:3]))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout


def _is_wired(link: Path) -> bool:
    return (
        (link / "type").read_text().strip() == _ETHERNET
        and (link / "device").exists()
        and not (link / "phy80211").exists()
        and not (link / "wireless").exists()
    )


def _state(link: str) -> str:
    try:
        carrier = (_LINKS / link / "carrier").read_text().strip() == "1"
    except OSError:
        carrier = False
    return f"{link} ({'connected' if carrier else 'no cable'})"


def _up(link: str) -> None:
    flags = struct.unpack_from("16xH", _interface_request(_SIOCGIFFLAGS, link))[0]
    _interface_request(_SIOCSIFFLAGS, link, flags | _IFF_UP)


def _interface_request(request: int, link: str, flags: int = 0) -> bytes:
    """An ioctl with a struct ifreq of 40 bytes (netdevice(7)); returns the struct as the kernel leaves it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return fcntl.ioctl(asked, request, struct.pack("16sH22x", link.encode(), flags))
