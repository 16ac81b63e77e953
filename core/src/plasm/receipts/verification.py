"""Whether a receipt holds, and whether it speaks of what one has in hand.  Pure: bytes and digests in, verdicts out.

A receipt holds (:func:`verify`) if

1. it is a DSSE envelope in the form of :mod:`plasm.receipts.dsse`, with exactly one signature;
2. that signature, over DSSE's encoding of the payload, was made by the key inside the peer id that is its ``keyid``;
3. the payload is a statement in the form of :mod:`plasm.receipts.statement`, with no field missing or unknown;
4. the statement names as its node the very peer that signed.

This shows who claims it, not that it is about this job.  :func:`check` compares the claims with an
:class:`Expectation`.  A client of the mesh accepts a result only if

5. the signer is the peer that it dialled;
6. the manifest digest and the nonce are those that it sent;
7. the subjects are the digests of the bytes that it received, with none missing (``all_subjects``).

A person who verifies a receipt against files gives what there is and leaves out the rest:

    receipt = verify(data)
    require(receipt, Expectation(signer=peer, subjects={"stdout": sha256_hex(output)}))
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from plasm.errors import InvalidInput, VerificationFailed
from plasm.model import PeerId, Sha256
from plasm.receipts._fields import invalid, load
from plasm.receipts.dsse import pae, parse_envelope
from plasm.receipts.legacy import LegacyReceipt, verify_legacy
from plasm.receipts.statement import Receipt, decode
from plasm.signatures import signature_holds


def verify(data: bytes) -> Receipt:
    """The claims of the receipt ``data``, which holds.

    Raises:
        InvalidReceipt: rule 1 or 3 is broken.
        VerificationFailed: rule 2 or 4 is broken.
    """
    envelope = parse_envelope(data)
    try:
        signer = PeerId.parse(envelope.keyid)
    except InvalidInput as error:
        raise invalid(f"envelope.signatures[0].keyid: {error.message}") from None
    if not signature_holds(signer, pae(envelope.payload_type, envelope.payload), envelope.signature):
        raise VerificationFailed(
            f"the signature is not one of {signer} over this receipt",
            hint="the receipt was changed after it was signed; do not rely on it",
        )
    receipt = decode(envelope.payload)
    if receipt.node != signer:
        raise VerificationFailed(
            f"the receipt of the node {receipt.node} is signed by {signer}",
            hint="a node signs its own receipts only; do not rely on it",
        )
    return receipt


def read(data: bytes) -> Receipt | LegacyReceipt:
    """The claims of the receipt ``data``, which holds: an object with a ``version`` is of the older protocol.

    Raises:
        InvalidReceipt: not a receipt of any version.
        VerificationFailed: a receipt that does not hold.
    """
    document = load(data)
    return verify_legacy(data) if isinstance(document, dict) and "version" in document else verify(data)


@frozen
class Expectation:
    """What a receipt is compared with; ``None``, or a subject left out, compares nothing."""

    signer: PeerId | None = field(default=None, metadata={"doc": "The node that must have signed."})
    manifest: Sha256 | None = field(default=None, metadata={"doc": "Digest of the manifest that was sent."})
    nonce: str | None = field(default=None, metadata={"doc": "The nonce that was sent."})
    module: Sha256 | None = field(default=None, metadata={"doc": "Digest of the module."})
    stdin: Sha256 | None = field(
        default=None, metadata={"doc": "Digest of the first stdin_size bytes of the input; jobs may read less."}
    )
    subjects: Mapping[str, Sha256] = field(factory=dict, metadata={"doc": "Digests of outputs, by subject name."})
    all_subjects: bool = field(default=False, metadata={"doc": "Whether a receipt with more subjects is refused."})


@frozen
class Check:
    """One comparison: what the receipt ``claimed`` and what was ``found``; ``None`` where there is nothing."""

    name: str
    claimed: str | None
    found: str | None

    @property
    def matches(self) -> bool:
        return self.claimed == self.found

    def __str__(self) -> str:
        if self.matches:
            return f"{self.name}: matches"
        if self.claimed is None:
            return f"{self.name}: DIFFERS: the receipt says nothing of it"
        if self.found is None:
            return f"{self.name}: DIFFERS: the receipt says {self.claimed}, nothing was given"
        return f"{self.name}: DIFFERS: the receipt says {self.claimed}, found {self.found}"


def check(receipt: Receipt | LegacyReceipt, expected: Expectation) -> tuple[Check, ...]:
    """Every comparison that ``expected`` asks for, in a fixed order, whatever its result."""
    claimed = _claims(receipt)
    found = _findings(expected)
    if expected.all_subjects and isinstance(receipt, Receipt):
        found |= {subject.name: None for subject in receipt.subjects if subject.name not in found}
    return tuple(Check(name, claimed.get(name), value) for name, value in found.items())


def require(receipt: Receipt | LegacyReceipt, expected: Expectation) -> None:
    """Insist on every comparison that ``expected`` asks for.

    Raises:
        VerificationFailed: the first that does not match.
    """
    for result in check(receipt, expected):
        if not result.matches:
            raise VerificationFailed(str(result), hint="the receipt is not about this result; do not rely on it")


def _claims(receipt: Receipt | LegacyReceipt) -> dict[str, str]:
    claims = {"signer": str(receipt.node), "module": receipt.module}
    if isinstance(receipt, Receipt):
        claims |= {"manifest": receipt.manifest, "nonce": receipt.nonce, "stdin": receipt.stdin}
        claims |= {subject.name: subject.sha256 for subject in receipt.subjects}
    return claims


def _findings(expected: Expectation) -> dict[str, str | None]:
    given = {
        "signer": None if expected.signer is None else str(expected.signer),
        "manifest": expected.manifest,
        "nonce": expected.nonce,
        "module": expected.module,
        "stdin": expected.stdin,
        **expected.subjects,
    }
    return {name: value for name, value in given.items() if value is not None}
