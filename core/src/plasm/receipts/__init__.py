"""Receipts: what a node signs about an execution, and how anybody checks it.  No files, no clock, no randomness."""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.receipts._fields import MAX_RECEIPT_BYTES as MAX_RECEIPT_BYTES
    from plasm.receipts.dsse import PAYLOAD_TYPE as PAYLOAD_TYPE
    from plasm.receipts.dsse import Envelope as Envelope
    from plasm.receipts.dsse import pae as pae
    from plasm.receipts.dsse import parse_envelope as parse_envelope
    from plasm.receipts.issuing import issue as issue
    from plasm.receipts.legacy import LegacyReceipt as LegacyReceipt
    from plasm.receipts.legacy import issue_legacy as issue_legacy
    from plasm.receipts.legacy import verify_legacy as verify_legacy
    from plasm.receipts.statement import PREDICATE_TYPE as PREDICATE_TYPE
    from plasm.receipts.statement import Receipt as Receipt
    from plasm.receipts.statement import Subject as Subject
    from plasm.receipts.statement import decode as decode
    from plasm.receipts.statement import encode as encode
    from plasm.receipts.verification import Check as Check
    from plasm.receipts.verification import Expectation as Expectation
    from plasm.receipts.verification import check as check
    from plasm.receipts.verification import read as read
    from plasm.receipts.verification import require as require
    from plasm.receipts.verification import verify as verify

__getattr__, __dir__ = lazily(
    __name__,
    {
        "MAX_RECEIPT_BYTES": "plasm.receipts._fields",
        "Envelope": "plasm.receipts.dsse",
        "PAYLOAD_TYPE": "plasm.receipts.dsse",
        "pae": "plasm.receipts.dsse",
        "parse_envelope": "plasm.receipts.dsse",
        "issue": "plasm.receipts.issuing",
        "LegacyReceipt": "plasm.receipts.legacy",
        "issue_legacy": "plasm.receipts.legacy",
        "verify_legacy": "plasm.receipts.legacy",
        "PREDICATE_TYPE": "plasm.receipts.statement",
        "Receipt": "plasm.receipts.statement",
        "Subject": "plasm.receipts.statement",
        "decode": "plasm.receipts.statement",
        "encode": "plasm.receipts.statement",
        "Check": "plasm.receipts.verification",
        "Expectation": "plasm.receipts.verification",
        "check": "plasm.receipts.verification",
        "read": "plasm.receipts.verification",
        "require": "plasm.receipts.verification",
        "verify": "plasm.receipts.verification",
    },
)
