"""Receipts of version 0.1, those of the older Phase protocol: seven fields in one flat JSON object.

    {"version": "0.1", "module_hash": "sha256:<64 hex>", "exit_code": 0, "wall_time_ms": 12,
     "timestamp": 1738324800, "node_pubkey": "<64 hex>", "signature": "<128 hex>"}

Signed is the SHA-256 digest, its 32 bytes, of the UTF-8 text
``version|module_hash|exit_code|wall_time_ms|timestamp``, numbers in decimal.  The key is not part of that text: a
0.1 receipt says that whoever holds ``node_pubkey`` vouches for it, and says nothing of input and output.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from plasm.errors import VerificationFailed
from plasm.model import PeerId, Sha256
from plasm.receipts._fields import Fields, count, exactly, hexadecimal, load
from plasm.receipts.statement import Receipt
from plasm.signatures import sign_as, signature_holds

if TYPE_CHECKING:
    from plasm.contracts import Signer

_VERSION: Final = "0.1"

_HASH_PREFIX: Final = "sha256:"
_EXIT_CODES: Final = range(-(2**31), 2**32)


@frozen
class LegacyReceipt:
    """What a node claims in a 0.1 receipt."""

    module: Sha256 = field(metadata={"doc": "Digest of the module's bytes."})
    exit_code: int = field(metadata={"doc": "The job's exit code, or the exit status that stands for its outcome."})
    wall_time_ms: int = field(metadata={"doc": "Elapsed time in whole milliseconds."})
    finished_s: int = field(metadata={"doc": "End by the node's clock, seconds since the Unix epoch."})
    node: PeerId = field(metadata={"doc": "The node that ran the job and signs."})

    @classmethod
    def of(cls, receipt: Receipt) -> LegacyReceipt:
        """What version 0.1 can say of ``receipt``.

        0.1 knows exit codes only.  An outcome without one is told by ``Outcome.exit_status``: 124 for timed out,
        134 for trapped and so on; a reader cannot tell it from a job that exited with that code.
        """
        code = receipt.outcome.exit_code
        return cls(
            module=receipt.module,
            exit_code=int(receipt.outcome.exit_status) if code is None else code,
            wall_time_ms=receipt.usage.wall_time_us // 1_000,
            finished_s=receipt.finished_us // 1_000_000,
            node=receipt.node,
        )

    def signed_bytes(self) -> bytes:
        """What the signature is made over."""
        parts = (_VERSION, _HASH_PREFIX + self.module, self.exit_code, self.wall_time_ms, self.finished_s)
        return hashlib.sha256("|".join(map(str, parts)).encode()).digest()


def issue_legacy(receipt: LegacyReceipt, signer: Signer) -> bytes:
    """``receipt`` as JSON, signed by ``signer``.

    Raises:
        IdentityError: ``signer`` does not hold the key of ``receipt.node``, or cannot use it.
    """
    document = {
        "version": _VERSION,
        "module_hash": _HASH_PREFIX + receipt.module,
        "exit_code": receipt.exit_code,
        "wall_time_ms": receipt.wall_time_ms,
        "timestamp": receipt.finished_s,
        "node_pubkey": receipt.node.public_key.hex(),
        "signature": sign_as(receipt.node, receipt.signed_bytes(), signer).hex(),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def verify_legacy(data: bytes) -> LegacyReceipt:
    """The claims of the 0.1 receipt ``data``, which holds.

    Raises:
        InvalidReceipt: not exactly the seven fields in their forms.
        VerificationFailed: the signature is not one of ``node_pubkey`` over the claims.
    """
    with Fields(load(data), "receipt") as fields:
        fields.take("version", exactly(_VERSION))
        receipt = LegacyReceipt(
            module=fields.take("module_hash", _module_hash),
            exit_code=fields.take("exit_code", _exit_code),
            wall_time_ms=fields.take("wall_time_ms", count),
            finished_s=fields.take("timestamp", count),
            node=PeerId(bytes.fromhex(fields.take("node_pubkey", hexadecimal(64)))),
        )
        signature = bytes.fromhex(fields.take("signature", hexadecimal(128)))
    if not signature_holds(receipt.node, receipt.signed_bytes(), signature):
        raise VerificationFailed(
            f"the signature is not one of {receipt.node} over this receipt",
            hint="the receipt was changed after it was signed; do not rely on it",
        )
    return receipt


def _module_hash(value: object) -> Sha256:
    if not isinstance(value, str) or not value.startswith(_HASH_PREFIX):
        raise ValueError(f"{_HASH_PREFIX} and 64 lower-case hex digits")
    return Sha256(hexadecimal(64)(value.removeprefix(_HASH_PREFIX)))


def _exit_code(value: object) -> int:
    if type(value) is not int or value not in _EXIT_CODES:
        raise ValueError("a whole number of 32 bits")
    return value
