"""The envelope of a receipt: DSSE v1 (https://github.com/secure-systems-lab/dsse) as JSON, with one signature.

Receipts use less than DSSE allows: the payload type is in-toto's, there is exactly one signature, and base64 is the
standard padded one in its canonical form.  So no bit of an envelope can change without the envelope failing.
"""

from __future__ import annotations

import binascii
import json
from typing import Final

from attrs import field, frozen

from plasm.receipts._fields import MAX_RECEIPT_BYTES, Fields, base64, exactly, invalid, load, text
from plasm.signatures import SIGNATURE_BYTES

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


@frozen
class Envelope:
    """A payload and the signature over its :func:`pae`; ``keyid`` is the signing node's peer id."""

    payload: bytes = field(repr=False)
    payload_type: str
    keyid: str
    signature: bytes = field(repr=False)

    def to_json(self) -> bytes:
        """The envelope as :func:`parse_envelope` reads it.

        Raises:
            InvalidReceipt: more than ``MAX_RECEIPT_BYTES``, which nobody would read.
        """
        document = {
            "payload": _to_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": self.keyid, "sig": _to_base64(self.signature)}],
        }
        data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        if len(data) > MAX_RECEIPT_BYTES:
            raise invalid(f"longer than {MAX_RECEIPT_BYTES} bytes")
        return data


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(data: bytes) -> Envelope:
    """The envelope in ``data``; nothing in it is verified yet.

    Raises:
        InvalidReceipt: anything else than exactly an envelope of a receipt.
    """
    with Fields(load(data), "envelope") as envelope:
        payload = envelope.take("payload", base64)
        payload_type = envelope.take("payloadType", exactly(PAYLOAD_TYPE))
        signatures = envelope.objects("signatures")
        if len(signatures) != 1:
            raise invalid(f"envelope.signatures must hold exactly one signature, not {len(signatures)}")
        with signatures[0] as only:
            return Envelope(payload, payload_type, only.take("keyid", text), only.take("sig", _signature))


def _signature(value: object) -> bytes:
    signature = base64(value)
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"the base64 of {SIGNATURE_BYTES} bytes")
    return signature


def _to_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()
