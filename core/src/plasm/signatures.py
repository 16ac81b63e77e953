"""The one place where Ed25519 signatures (RFC 8032) are asked for and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plasm.errors import IdentityError
from plasm.model import PeerId

if TYPE_CHECKING:
    from plasm.contracts import Signer

SIGNATURE_BYTES: Final = 64


class EphemeralSigner:
    """A signer with a key that is made now and kept nowhere."""

    def __init__(self) -> None:
        from nacl.bindings import crypto_sign_keypair

        self.public_key, self._secret_key = crypto_sign_keypair()

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""
        from nacl.bindings import crypto_sign

        return bytes(crypto_sign(message, self._secret_key)[:SIGNATURE_BYTES])


def signature_holds(node: PeerId, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` was made over ``message`` by the key inside ``node``'s peer id."""
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError

    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, node.public_key)
    except BadSignatureError:
        return False
    return True


def sign_as(node: PeerId, message: bytes, signer: Signer) -> bytes:
    """``node``'s signature over ``message``; checked, so that none is given out that nobody can verify.

    Raises:
        IdentityError: ``signer`` holds another key, or its signature does not hold.
    """
    if signer.public_key != node.public_key:
        raise IdentityError(
            f"what is to be signed names the node {node}, and the signer holds the key of {PeerId(signer.public_key)}",
            hint="run the node and its signer with the same identity",
        )
    signature = signer.sign(message)
    if not signature_holds(node, message, signature):
        raise IdentityError(
            f"the signer made a signature that does not hold for its own key {node}",
            hint="the signing plugin's author should see plasm.contracts.Signer",
        )
    return signature
