"""The string of a provider's TXT record that names what it has: ``systems=stable/x86_64,testing/x86_64``.  Pure.

A record without it says nothing about that, and is a candidate for everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from plasm_discovery_mdns._txt import MAX_STRING, packed, strings

_KEY: Final = b"systems="


def encode(systems: Iterable[str]) -> bytes:
    """The string for ``systems``; empty where there are none, or so many that they do not go into one."""
    said = _KEY + ",".join(sorted(systems)).encode()
    return packed([said]) if len(_KEY) < len(said) <= MAX_STRING else b""


def decode(data: bytes) -> frozenset[str]:
    """The systems that a TXT record names."""
    for string in strings(data):
        if string.startswith(_KEY) and string.isascii():
            return frozenset(filter(None, string[len(_KEY) :].decode().split(",")))
    return frozenset()
