"""Receipts: what a node signs about an execution, and how anybody checks it.  No files, no clock, no randomness.

Issuing is on the start-up path of every run, verifying is not; so each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plasm.receipts._strict_json import MAX_RECEIPT_BYTES
    from plasm.receipts.dsse import PAYLOAD_TYPE, Envelope, pae, parse_envelope
    from plasm.receipts.issuing import issue
    from plasm.receipts.legacy import LegacyReceipt, issue_legacy, verify_legacy
    from plasm.receipts.reading import read
    from plasm.receipts.statement import PREDICATE_TYPE, Receipt, Subject, decode, encode
    from plasm.receipts.verification import Check, Expectation, check, require, verify

__all__ = [
    "MAX_RECEIPT_BYTES",
    "PAYLOAD_TYPE",
    "PREDICATE_TYPE",
    "Check",
    "Envelope",
    "Expectation",
    "LegacyReceipt",
    "Receipt",
    "Subject",
    "check",
    "decode",
    "encode",
    "issue",
    "issue_legacy",
    "pae",
    "parse_envelope",
    "read",
    "require",
    "verify",
    "verify_legacy",
]

_MODULES = {
    "MAX_RECEIPT_BYTES": "_strict_json",
    "PAYLOAD_TYPE": "dsse",
    "PREDICATE_TYPE": "statement",
    "Check": "verification",
    "Envelope": "dsse",
    "Expectation": "verification",
    "LegacyReceipt": "legacy",
    "Receipt": "statement",
    "Subject": "statement",
    "check": "verification",
    "decode": "statement",
    "encode": "statement",
    "issue": "issuing",
    "issue_legacy": "legacy",
    "pae": "dsse",
    "parse_envelope": "dsse",
    "read": "reading",
    "require": "verification",
    "verify": "verification",
    "verify_legacy": "legacy",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
