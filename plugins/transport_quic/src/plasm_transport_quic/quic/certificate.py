"""The certificates of libp2p's TLS: made for the purpose, they carry the peer's public key and a signature with it.

Source: https://github.com/libp2p/specs/blob/master/tls/tls.md.  Making one is left to libp2p; checking one is not:
libp2p 0.8.1 asks an Ed25519 key whether the signature is right, and does not look at the answer.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ObjectIdentifier
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.serialization import deserialize_public_key
from libp2p.peer.id import ID
from libp2p.transport.quic.security import CertificateGenerator, TLSConfig

_EXTENSION = ObjectIdentifier("1.3.6.1.4.1.53594.1.1")
_SIGNED = b"libp2p-tls-handshake:"
_SEQUENCE, _OCTET_STRING = 0x30, 0x04
_LONG_FORM = 0x80


class NotProved(Exception):
    """A certificate that proves no peer id."""


def certificate_for(keys: KeyPair) -> TLSConfig:
    """A certificate, with a private key of its own, that proves to be the peer of ``keys``."""
    return CertificateGenerator().generate_certificate(keys.private_key, ID.from_pubkey(keys.public_key))


def proved_by(certificate: x509.Certificate | None) -> ID:
    """The peer whose private key vouches for the key of ``certificate``.

    That the other side has the private key of the certificate is TLS's to check.  When a certificate is valid says
    nothing here, and a node whose clock is wrong would be cut off.

    Raises:
        NotProved: there is no such peer.
    """
    if certificate is None:
        raise NotProved("no certificate")
    try:
        certificate.verify_directly_issued_by(certificate)
        extension = certificate.extensions.get_extension_for_oid(_EXTENSION).value
        identity, signature = _octet_strings(extension.public_bytes())
        identity_key = deserialize_public_key(identity)
    except Exception as error:  # a stranger's bytes bring many kinds out of four libraries
        raise NotProved(f"a certificate without proof: {error!r}") from error
    if not isinstance(identity_key, Ed25519PublicKey):
        raise NotProved("a key of another kind than Ed25519")
    own_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not identity_key.verify(_SIGNED + own_key, signature):
        raise NotProved("a signature that is not the peer's")
    return ID.from_pubkey(identity_key)


def _octet_strings(encoded: bytes) -> tuple[bytes, bytes]:
    """The two octet strings of a DER sequence."""
    content, rest = _element(encoded, _SEQUENCE)
    first, more = _element(content, _OCTET_STRING)
    second, after = _element(more, _OCTET_STRING)
    if rest or after:
        raise ValueError("more than two octet strings")
    return first, second


def _element(encoded: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first DER element, and what follows it."""
    if encoded[:1] != bytes([tag]):
        raise ValueError(f"no element of type {tag}")
    length, start = encoded[1:2], 2
    count = int.from_bytes(length, "big")
    if count & _LONG_FORM:
        start += count & ~_LONG_FORM
        count = int.from_bytes(encoded[2:start], "big")
    if not length or len(encoded) < start + count:
        raise ValueError("an element that is cut off")
    return encoded[start : start + count], encoded[start + count :]
