"""Turning claims into a receipt: the statement, signed by the node that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.receipts.dsse import PAYLOAD_TYPE, Envelope, pae
from plasm.receipts.statement import Receipt, decode, encode
from plasm.signatures import sign_as

if TYPE_CHECKING:
    from plasm.contracts import Signer


def issue(receipt: Receipt, signer: Signer) -> Envelope:
    """``receipt`` signed by ``signer``.  Nothing is signed that a verifier would refuse to read.

    Raises:
        InvalidReceipt: a claim that a receipt cannot carry; the message has its path.
        IdentityError: ``signer`` does not hold the key of ``receipt.node``, or cannot use it.
    """
    payload = encode(receipt)
    decode(payload)
    signature = sign_as(receipt.node, pae(PAYLOAD_TYPE, payload), signer)
    return Envelope(payload, PAYLOAD_TYPE, str(receipt.node), signature)
