"""libp2p peer ids of Ed25519 keys: the name by which a node signs and is dialled.

Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md.  The public key, as a protobuf of 36
bytes, is short enough to stand in the id itself (identity multihash), so an id can be turned back into its key.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from attrs import frozen
from base58 import b58decode, b58encode

from plasm.errors import InvalidInput

_PUBLIC_KEY_BYTES: Final = 32
_IDENTITY_MULTIHASH_OF_ED25519: Final = bytes([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])
_TEXT_LENGTH: Final = 52


@frozen(repr=False)
class PeerId:
    """The id of the node that holds the private half of ``public_key`` (32 bytes)."""

    public_key: bytes

    def __attrs_post_init__(self) -> None:
        if len(self.public_key) != _PUBLIC_KEY_BYTES:
            raise InvalidInput(f"an Ed25519 public key has {_PUBLIC_KEY_BYTES} bytes, not {len(self.public_key)}")

    @classmethod
    def parse(cls, text: str) -> PeerId:
        """The id written as ``text``, like ``12D3KooW…``.

        Raises:
            InvalidInput: not the id of an Ed25519 key.
        """
        try:
            raw = b58decode(text) if len(text) == _TEXT_LENGTH else b""
        except ValueError:
            raw = b""
        if not raw.startswith(_IDENTITY_MULTIHASH_OF_ED25519) or len(raw) != 6 + _PUBLIC_KEY_BYTES:
            raise InvalidInput(f"{text[:80]!r} is not a peer id", hint="it looks like 12D3KooW and 44 more characters")
        return cls(raw[6:])

    @classmethod
    def of_address(cls, address: str) -> PeerId:
        """The id at the end of a peer's multiaddress, like ``/ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooW…``.

        Raises:
            InvalidInput: no peer id at its end, or no address before it.
        """
        where, separator, name = address.rpartition("/p2p/")
        if not separator or not where.startswith("/"):
            raise InvalidInput(
                f"{address[:300]!r} is not the address of a peer",
                hint="write it like /ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooW…, as plasm start prints it",
            )
        return cls.parse(name)

    def __repr__(self) -> str:
        return f"PeerId({self})"

    def __str__(self) -> str:
        return _text(self.public_key)


@lru_cache(maxsize=256)
def _text(public_key: bytes) -> str:
    return b58encode(_IDENTITY_MULTIHASH_OF_ED25519 + public_key).decode()
