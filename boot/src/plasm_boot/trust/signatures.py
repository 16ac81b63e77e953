"""Ed25519 as TUF sees it: signatures made by Plasm's signing plugins and checked by Plasm's one verification function.

Importing this module makes :class:`Ed25519Key` what every key of that type in TUF metadata becomes, so that nothing
has to be installed for it that Plasm has not anyway.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key, SecretsHandler, Signature, Signer

from plasm.model import PeerId
from plasm.signatures import sign_as, signature_holds

if TYPE_CHECKING:
    from plasm.contracts import Signer as PlasmSigner

_SCHEME: Final = "ed25519"
_PUBLIC: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Ed25519Key(Key):
    """The public half: TUF's ``{"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": HEX}}``."""

    @classmethod
    def of(cls, public_key: bytes) -> Ed25519Key:
        """The key with these 32 bytes; its id is the SHA-256 of its canonical JSON, as TUF recommends."""
        body = {"keytype": _SCHEME, "scheme": _SCHEME, "keyval": {"public": public_key.hex()}}
        keyid = hashlib.sha256((encode_canonical(body) or "").encode()).hexdigest()
        return cls.from_dict(keyid, body)

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> Ed25519Key:
        """The key that metadata describes.

        Raises:
            KeyError, TypeError, ValueError: it describes none.
        """
        keytype, scheme, keyval = cls._from_dict(key_dict)
        if not _PUBLIC.fullmatch(keyval["public"]):
            raise ValueError("an Ed25519 public key has 64 lower-case hexadecimal digits")
        return cls(keyid, keytype, scheme, keyval, key_dict)

    def to_dict(self) -> dict[str, Any]:
        """As metadata has it."""
        return self._to_dict()

    @property
    def owner(self) -> PeerId:
        """The name by which Plasm knows the key."""
        return PeerId(bytes.fromhex(self.keyval["public"]))

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """Check ``signature`` over ``data``.

        Raises:
            UnverifiedSignatureError: it does not hold.
        """
        try:
            made = bytes.fromhex(signature.signature)
        except (TypeError, ValueError):
            made = b""
        if not signature_holds(self.owner, data, made):
            raise UnverifiedSignatureError(f"the signature by {self.keyid} does not hold")


KEY_FOR_TYPE_AND_SCHEME[_SCHEME, _SCHEME] = Ed25519Key


class PluginSigner(Signer):
    """Signs metadata with the key that a signing plugin holds."""

    def __init__(self, signer: PlasmSigner) -> None:
        self._signer = signer
        self._key = Ed25519Key.of(signer.public_key)

    @property
    def public_key(self) -> Ed25519Key:
        """The key that the plugin signs with."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """The signature over ``payload``.

        Raises:
            IdentityError: the plugin cannot sign now, or its signature does not hold.
        """
        return Signature(self._key.keyid, sign_as(self._key.owner, payload, self._signer).hex())

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> PluginSigner:
        """Not how these come about: a plugin finds its key by Plasm's configuration."""
        raise NotImplementedError("a signing plugin's key has no URI")
