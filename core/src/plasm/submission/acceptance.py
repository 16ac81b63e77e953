"""Whether the receipt that came with a result is about this very job: what a client believes.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from plasm.errors import InvalidReceipt, PeerLied, VerificationFailed
from plasm.jobs.job import Job
from plasm.model import OutcomeKind, PeerId, Sha256, sha256_hex
from plasm.receipts import Expectation, Receipt, require, verify


@frozen
class Delivered:
    """A result that was accepted: the peer's claims, and the receipt that they come from, an envelope as JSON."""

    peer: PeerId
    claims: Receipt
    receipt: bytes


def accept(
    receipt: bytes,
    *,
    peer: PeerId,
    job: Job,
    nonce: str,
    sent: Callable[[int], Sha256 | None] | None,
    output: Mapping[str, Sha256],
) -> Delivered:
    """The result that ``receipt`` speaks of, which ``peer`` signed about ``job`` as it was sent with ``nonce``.

    ``sent`` gives the digest of the first so many bytes of the input, ``None`` where not so many were sent; it is
    ``None`` itself where there was no input.  ``output`` are the digests of what came.

    Raises:
        PeerLied: the receipt does not hold, or is about something else.
    """
    try:
        claims = verify(receipt)
        require(
            claims,
            Expectation(
                signer=peer,
                manifest=job.manifest.digest(),
                nonce=nonce,
                module=job.module.digest,
                stdin=_input(claims, sent),
                subjects=dict(output),
                all_subjects=True,
            ),
        )
        _check_plausible(claims, job)
    except (InvalidReceipt, VerificationFailed) as error:
        raise PeerLied(f"{peer} lied: {error.message}", hint="do not rely on its output") from None
    return Delivered(peer, claims, receipt)


def _input(claims: Receipt, sent: Callable[[int], Sha256 | None] | None) -> Sha256:
    digest = sha256_hex(b"") if claims.stdin_size == 0 else sent(claims.stdin_size) if sent is not None else None
    if digest is None:
        raise VerificationFailed(f"stdin: the receipt is of {claims.stdin_size} bytes of input, not so many were sent")
    return digest


def _check_plausible(claims: Receipt, job: Job) -> None:
    if claims.module_size != len(job.module.data) or claims.limits != job.manifest.limits:
        raise VerificationFailed("the receipt is of another module's size, or of other limits")
    if claims.outcome.kind is OutcomeKind.EXITED and claims.truncated:
        raise VerificationFailed("the receipt is of a job that exited and whose output was cut off")
