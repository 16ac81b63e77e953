"""The key in memory: it signs, says which node it is, and shows nothing else."""

from __future__ import annotations

from plasm.model import PeerId

_SIGNATURE_BYTES = 64


class Ed25519Signer:
    """Signs with the Ed25519 key of a seed (RFC 8032)."""

    __slots__ = ("_public_key", "_secret_key")

    def __init__(self, seed: bytes) -> None:
        from nacl.bindings import crypto_sign_seed_keypair

        self._public_key, self._secret_key = crypto_sign_seed_keypair(seed)

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature over ``message``."""
        from nacl.bindings import crypto_sign

        return crypto_sign(message, self._secret_key)[:_SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"<Ed25519Signer {PeerId(self._public_key)}>"

    def __reduce__(self) -> str:
        raise TypeError("a private key does not leave the process that read it")
