"""The committed vectors are what the code makes, and mean what their README says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from plasm.errors import InvalidReceipt, VerificationFailed
from plasm.model import PeerId, sha256_hex
from plasm.receipts import decode, encode, issue, pae, parse_envelope, read, verify, verify_legacy

Vector = dict[str, str]


def test_the_committed_vectors_are_those_that_the_script_makes(make: ModuleType) -> None:
    committed = {path.name: path.read_text("utf-8") for path in Path(make.FOLDER).iterdir()}
    assert committed == {name: make.render(vectors) for name, vectors in make.documents().items()}


def test_a_peer_id_holds_its_key(make: ModuleType, peer_id_vector: Vector) -> None:
    signer = make.SeedSigner(bytes.fromhex(peer_id_vector["seed"]))
    assert signer.public_key.hex() == peer_id_vector["publicKey"]
    assert str(PeerId(signer.public_key)) == peer_id_vector["peerId"]
    assert PeerId.parse(peer_id_vector["peerId"]).public_key == signer.public_key


def test_the_keys_are_those_of_rfc_8032_and_of_well_known_libp2p_nodes(make: ModuleType) -> None:
    public_keys = {vector["publicKey"] for vector in make.documents()["peer_ids.json"]}
    peer_ids = {vector["peerId"] for vector in make.documents()["peer_ids.json"]}
    assert "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" in public_keys
    assert "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp" in peer_ids
    assert "12D3KooWHdiAxVd8uMQR1hGWXccidmfCwLqcMpGwR6QcTP6QRMuD" in peer_ids


def test_the_pre_authentication_encoding(pae_vector: Vector) -> None:
    payload = bytes.fromhex(pae_vector["payload"])
    assert pae(pae_vector["payloadType"], payload).hex() == pae_vector["pae"]


def test_the_pre_authentication_encoding_of_the_dsse_specification() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_a_manifest_digest_is_over_its_canonical_text(manifest_vector: Vector) -> None:
    assert sha256_hex(manifest_vector["canonical"].encode()) == manifest_vector["sha256"]


def test_a_receipt_verifies_to_its_payload(receipt_vector: Vector) -> None:
    data = receipt_vector["receipt"].encode()
    receipt = verify(data)
    assert encode(receipt).decode() == receipt_vector["payload"]
    assert str(receipt.node) == receipt_vector["peerId"]
    assert parse_envelope(data).signature.hex() == receipt_vector["signature"]
    assert read(data) == receipt


def test_equal_claims_are_equal_bytes(make: ModuleType, receipt_vector: Vector) -> None:
    receipt = decode(receipt_vector["payload"].encode())
    signer = make.SeedSigner(bytes.fromhex(receipt_vector["seed"]))
    assert issue(receipt, signer).to_json().decode() == receipt_vector["receipt"]


def test_a_legacy_receipt_signs_the_digest_of_its_five_claims(legacy_vector: Vector) -> None:
    data = legacy_vector["receipt"].encode()
    fields: dict[str, Any] = json.loads(data)
    names = ("version", "module_hash", "exit_code", "wall_time_ms", "timestamp")
    text = "|".join(str(fields[name]) for name in names)
    receipt = verify_legacy(data)
    assert receipt.signed_bytes() == hashlib.sha256(text.encode()).digest()
    assert receipt.signed_bytes().hex() == legacy_vector["signedBytes"]
    assert str(receipt.node) == legacy_vector["peerId"]
    assert read(data) == receipt


def test_what_is_not_a_receipt_is_refused_for_the_right_reason(invalid_vector: Vector) -> None:
    expected = {"invalid-receipt": InvalidReceipt, "verification-failed": VerificationFailed}[invalid_vector["code"]]
    with pytest.raises(expected) as caught:
        read(invalid_vector["receipt"].encode())
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_a_statement_that_fails_names_the_field(make: ModuleType) -> None:
    cases = {name: text for name, _, _, text in make.invalid_statements()}
    with pytest.raises(InvalidReceipt, match=r"statement\.predicate\.job\.nonce is missing"):
        read(cases["statement-no-nonce"].encode())
    with pytest.raises(InvalidReceipt, match=r"statement\.predicate has the unknown field 'comment'"):
        read(cases["statement-unknown-field"].encode())
    with pytest.raises(InvalidReceipt, match=r"statement\.predicate\.limits: limit memory"):
        read(cases["statement-memory-limit-zero"].encode())
    with pytest.raises(InvalidReceipt, match=r"statement\.subject\[0\]\.name must be stdout"):
        read(cases["statement-subject-relative"].encode())
