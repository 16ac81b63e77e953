"""This node's key as libp2p wants it: one that signs through the signer and cannot be read."""

from __future__ import annotations

from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.crypto.keys import KeyPair, KeyType, PrivateKey
from libp2p.peer.id import ID

from plasm.contracts import Signer
from plasm.model import PeerId


class DelegatedKey(PrivateKey):
    """An Ed25519 key whose private half stays with a signer.

    libp2p proves an identity by signing: Noise its static key, TLS the key of a certificate made for the purpose.  It
    asks for the bytes of a private key only to write it down, which nothing here does.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sign(self, data: bytes) -> bytes:
        return self._signer.sign(data)

    def get_public_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_bytes(self._signer.public_key)

    def get_type(self) -> KeyType:
        return KeyType.Ed25519

    def to_bytes(self) -> bytes:
        raise TypeError("a private key does not leave its signer")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DelegatedKey) and self._signer.public_key == other._signer.public_key

    def __hash__(self) -> int:
        return hash(self._signer.public_key)

    def __repr__(self) -> str:
        return f"<DelegatedKey of {PeerId(self._signer.public_key)}>"


def key_pair(signer: Signer) -> KeyPair:
    """The key pair with which libp2p is ``signer``."""
    private = DelegatedKey(signer)
    return KeyPair(private, private.get_public_key())


def libp2p_id(peer: PeerId) -> ID:
    """``peer`` in libp2p's form."""
    return ID.from_string(str(peer))


def plasm_id(peer: ID) -> PeerId:
    """``peer`` in Plasm's form.

    Raises:
        InvalidInput: the key is no Ed25519 key; Plasm's peers have no others.
    """
    return PeerId.parse(str(peer))
