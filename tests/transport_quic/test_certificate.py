"""A certificate proves a peer id, or nothing."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.secp256k1 import create_new_key_pair as another_kind
from libp2p.peer.id import ID
from libp2p.transport.quic.security import LibP2PExtensionHandler
from transport_quic.peers import Key

from plasm_transport_quic.identity import key_pair
from plasm_transport_quic.quic.certificate import NotProved, certificate_for, proved_by

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(
    extension: bytes | None, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + dt.timedelta(days=1))
    if extension is not None:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.53594.1.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, extension), critical=False)
    return builder.sign(signer, hashes.SHA256())


def extension(keys: KeyPair, key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return LibP2PExtensionHandler.create_signed_key_extension(keys.private_key, public)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_our_own_proves_who_we_are() -> None:
    keys = key_pair(Key())
    assert proved_by(certificate_for(keys).certificate) == ID.from_pubkey(keys.public_key)


def test_one_that_is_out_of_date_proves_it_too(key: ec.EllipticCurvePrivateKey) -> None:
    keys = key_pair(Key())
    assert proved_by(certificate(extension(keys, key), key, key)) == ID.from_pubkey(keys.public_key)


def test_the_key_of_another_certificate_proves_nothing(key: ec.EllipticCurvePrivateKey) -> None:
    """libp2p 0.8.1 accepts this: anybody who has seen a peer's certificate could be that peer."""
    theirs = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(NotProved, match="not the peer's"):
        proved_by(certificate(extension(key_pair(Key()), theirs), key, key))


def test_a_certificate_that_another_key_signed_proves_nothing(key: ec.EllipticCurvePrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(NotProved):
        proved_by(certificate(extension(key_pair(Key()), key), key, other))


def test_a_key_of_another_kind_proves_nothing(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(NotProved, match="another kind"):
        proved_by(certificate(extension(another_kind(), key), key, key))


@pytest.mark.parametrize("content", [None, b"", b"\x30", b"\x30\x82", b"\x30\x03\x04\x05\x01", b"\x04\x00", bytes(200)])
def test_without_an_extension_that_can_be_read_nothing_is_proved(
    key: ec.EllipticCurvePrivateKey, content: bytes | None
) -> None:
    with pytest.raises(NotProved):
        proved_by(certificate(content, key, key))


def test_what_follows_the_proof_is_refused(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(NotProved):
        proved_by(certificate(extension(key_pair(Key()), key) + b"x", key, key))


def test_no_certificate_proves_nothing() -> None:
    with pytest.raises(NotProved):
        proved_by(None)
