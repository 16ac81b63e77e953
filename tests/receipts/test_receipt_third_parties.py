"""Tools that never heard of Plasm read its receipts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from plasm.model import PeerId


def key_of(peer_id: str) -> SSlibKey:
    return SSlibKey(peer_id, "ed25519", "ed25519", {"public": PeerId.parse(peer_id).public_key.hex()})


def test_securesystemslib_verifies_the_envelope(receipt_vector: dict[str, str]) -> None:
    envelope = Envelope.from_dict(json.loads(receipt_vector["receipt"]))
    key = key_of(receipt_vector["peerId"])
    assert envelope.payload.decode() == receipt_vector["payload"]
    assert envelope.pae().hex() == receipt_vector["pae"]
    assert envelope.verify([key], threshold=1) == {key.keyid: key}


def test_securesystemslib_refuses_a_changed_envelope(receipt_vector: dict[str, str]) -> None:
    envelope = Envelope.from_dict(json.loads(receipt_vector["receipt"]))
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key_of(receipt_vector["peerId"])], threshold=1)


def test_in_toto_reads_the_statement(receipt_vector: dict[str, str]) -> None:
    message = json_format.Parse(receipt_vector["payload"], statement_pb2.Statement())
    statement = Statement.copy_from_pb(message)
    statement.validate()
    document: dict[str, Any] = json.loads(receipt_vector["payload"])
    assert {subject.name: dict(subject.digest) for subject in statement.pb.subject} == {
        subject["name"]: subject["digest"] for subject in document["subject"]
    }
    assert statement.pb.predicate_type == "https://plasm.dev/receipt/v1"


def test_in_toto_keeps_every_number_of_the_predicate(receipt_vector: dict[str, str]) -> None:
    message = json_format.Parse(receipt_vector["payload"], statement_pb2.Statement())
    assert json_format.MessageToDict(message.predicate) == json.loads(receipt_vector["payload"])["predicate"]
