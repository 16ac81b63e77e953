"""One entry for receipts of every version: which one it is shows in the document itself."""

from __future__ import annotations

from plasm.receipts._fields import load
from plasm.receipts.legacy import LegacyReceipt, verify_legacy
from plasm.receipts.statement import Receipt
from plasm.receipts.verification import verify


def read(data: bytes) -> Receipt | LegacyReceipt:
    """The claims of the receipt ``data``, which holds: an object with a ``version`` is of the older protocol.

    Raises:
        InvalidReceipt: not a receipt of any version.
        VerificationFailed: a receipt that does not hold.
    """
    document = load(data)
    return verify_legacy(data) if isinstance(document, dict) and "version" in document else verify(data)
