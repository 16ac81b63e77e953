"""A fixed address for a machine's wired links, as its kernel's command line has it and as dhcpcd takes it.  Pure."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FixedAddress(NamedTuple):
    """An address with its network instead of one from DHCP, and perhaps a gateway and a name server."""

    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface
    gateway: Address | None = None
    dns: Address | None = None

    @classmethod
    def parse(cls, text: str) -> FixedAddress:
        """``ADDRESS/PREFIX[,GATEWAY[,DNS]]``; a gateway is of IPv4 (dhcpcd sets no static router of IPv6).

        Raises:
            ValueError: it is not.
        """
        address, *others = text.split(",")
        if "/" not in address or len(others) > 2:  # noqa: PLR2004
            raise ValueError(text)
        parsed = [ipaddress.ip_address(other) if other else None for other in others]
        made = cls(ipaddress.ip_interface(address), *parsed)
        if made.gateway is not None and not made.address.version == made.gateway.version == 4:  # noqa: PLR2004
            raise ValueError(f"{text}: a gateway is of IPv4; routers of IPv6 advertise themselves")
        return made

    def __str__(self) -> str:
        """What :meth:`parse` reads."""
        return ",".join("" if part is None else str(part) for part in self).rstrip(",")

    def dhcpcd_options(self) -> list[str]:
        """What has dhcpcd(8) set it."""
        kind = "ip_address" if self.address.version == 4 else "ip6_address"  # noqa: PLR2004
        said = {kind: self.address, "routers": self.gateway, "domain_name_servers": self.dns}
        return [word for name, value in said.items() if value is not None for word in ("--static", f"{name}={value}")]
