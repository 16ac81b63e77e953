"""Verifying a receipt against what one has in hand, in one call."""

from __future__ import annotations

from plasm.model import PeerId, sha256_hex
from plasm.receipts import Expectation, LegacyReceipt, Receipt, read, require


def verify(
    receipt: bytes,
    *,
    module: bytes | None = None,
    stdout: bytes | None = None,
    stderr: bytes | None = None,
    signer: PeerId | str | None = None,
) -> Receipt | LegacyReceipt:
    """The claims of ``receipt``, which holds and speaks of everything that is given.

    Without ``signer`` this shows that *some* node vouches for the claims, not that one you trust does.

    Raises:
        InvalidReceipt: not a receipt.
        VerificationFailed: it was changed, or speaks of something else.
    """
    outputs = {"stdout": stdout, "stderr": stderr}
    claims = read(receipt)
    require(
        claims,
        Expectation(
            signer=PeerId.parse(signer) if isinstance(signer, str) else signer,
            module=None if module is None else sha256_hex(module),
            subjects={name: sha256_hex(data) for name, data in outputs.items() if data is not None},
        ),
    )
    return claims
