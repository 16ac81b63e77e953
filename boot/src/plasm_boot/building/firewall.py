"""Rules for nftables: what comes in is for the ports that plugins named, everything else is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from plasm.errors import PluginError

_PORT: Final = re.compile(r"(tcp|udp)/(\d{1,5})(?:-(\d{1,5}))?")

_RULES: Final = """#!/usr/sbin/nft -f
flush ruleset

table inet phase {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        ct state invalid drop
        meta l4proto {{ 1, 58 }} accept
        udp dport {{ 68, 546 }} accept
{ports}    }}
}}
"""


def ruleset(ports: Iterable[str]) -> str:
    """The rules that let in what is for these ``ports``, each ``tcp/N``, ``udp/N`` or with ``N-M`` a range.

    Raises:
        PluginError: one is not of this form.
    """
    return _RULES.format(ports="".join(f"        {_rule(port)}\n" for port in sorted(set(ports))))


def _rule(port: str) -> str:
    match = _PORT.fullmatch(port)
    if match is None or not all(0 < int(number) < 2**16 for number in match.groups()[1:] if number):
        raise PluginError(f"{port!r}, which a plugin wants to be reached at, is not a port", hint="write it udp/4001")
    protocol, first, last = match.groups()
    return f"{protocol} dport {first}-{last} accept" if last else f"{protocol} dport {first} accept"
