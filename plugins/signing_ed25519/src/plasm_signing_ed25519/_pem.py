"""Ed25519 private keys as PEM text: PKCS#8 of RFC 8410, as ``openssl genpkey -algorithm ed25519`` writes it.

Such a key in DER is a fixed prefix and the 32 bytes of the seed, so nothing here needs an ASN.1 parser.
"""

from __future__ import annotations

import binascii

SEED_BYTES = 32

_DER_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_BEGIN = b"-----BEGIN PRIVATE KEY-----"
_END = b"-----END PRIVATE KEY-----"


def encode_seed(seed: bytes) -> bytes:
    """``seed`` as the content of a PEM file."""
    return b"%b\n%b%b\n" % (_BEGIN, binascii.b2a_base64(_DER_PREFIX + seed), _END)


def decode_seed(pem: bytes) -> bytes:
    """The inverse of :func:`encode_seed`, whatever the line ends.

    Raises:
        ValueError: anything else than one unencrypted Ed25519 key; the message has nothing of the content.
    """
    lines = pem.strip().splitlines()
    try:
        seed = binascii.a2b_base64(lines[1])[len(_DER_PREFIX) :]
    except (IndexError, ValueError):
        seed = b""
    if len(seed) != SEED_BYTES or encode_seed(seed).splitlines() != lines:
        raise ValueError("not an unencrypted Ed25519 key in PKCS#8 PEM")
    return seed
