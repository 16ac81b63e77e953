"""The contract of a signer: what holds this node's key."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Holds an Ed25519 key, or speaks to what holds it; never gives the private half away."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key (RFC 8032)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature over ``message`` itself, not over a digest of it.

        Raises:
            IdentityError: the key cannot be used now.
        """
        ...
