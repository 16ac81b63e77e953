"""A capability record holds for the peer that signed it, for its time, and in one form."""

from __future__ import annotations

import cbor2
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from plasm.errors import IdentityError, InvalidInput, ProtocolViolation, VerificationFailed
from plasm.mesh.capability import CapabilityRecord, Requirements, RuntimeOffer, sign, verify
from plasm.model import Limits, Manifest, PeerId


class SeedSigner:
    """A signer with a key that everybody knows."""

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        return crypto_sign(message, self._secret)[:64]


NODE, OTHER = SeedSigner(b"n" * 32), SeedSigner(b"o" * 32)
PEER = PeerId(NODE.public_key)
RECORD = CapabilityRecord(
    peer=PEER,
    addresses=["/ip4/127.0.0.1/udp/4001/quic-v1"],
    arch="x86_64",
    runtimes=[RuntimeOffer("wasmtime", "50.0.1", ["fuel", "memory"], ["determinism"]), RuntimeOffer("plain", "1")],
    memory=2**30,
    wall_time_ms=60_000,
    module_bytes=2**27,
    workers=2,
    issued_at=1000,
    expires_at=2000,
)
WIRE = sign(RECORD, NODE)


def test_a_record_comes_back_as_it_was_signed() -> None:
    assert verify(WIRE, PEER, 1500) == RECORD
    assert RECORD.keys() == ("/plasm/capability/x86_64/wasmtime", "/plasm/capability/x86_64/plain")


def test_every_bit_counts() -> None:
    for bit in range(0, len(WIRE) * 8, 3):
        changed = bytearray(WIRE)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((ProtocolViolation, VerificationFailed)):
            verify(bytes(changed), PEER, 1500)


def test_a_record_speaks_for_its_own_peer_only() -> None:
    with pytest.raises(VerificationFailed, match="not signed by"):
        verify(WIRE, PeerId(OTHER.public_key), 1500)
    with pytest.raises(IdentityError):
        sign(RECORD, OTHER)


@pytest.mark.parametrize("now", [0, 699, 2301, 10**10])
def test_a_record_out_of_date_is_refused(now: int) -> None:
    with pytest.raises(VerificationFailed, match="out of date"):
        verify(WIRE, PEER, now)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((ProtocolViolation, VerificationFailed)):
        verify(data, PEER, 1500)


@pytest.mark.parametrize(
    "change",
    [
        {"peer": "nobody"},
        {"runtimes": [{"name": "x"}]},
        {"runtimes": [1]},
        {"runtimes": {}},
        {"runtimes": [{"name": "x", "version": "1", "enforces": "abc", "provides": []}] * 65},
        {"memory": -1},
        {"memory": "much"},
        {"arch": "\x1b[2J"},
        {"addresses": ["x" * 500]},
        {"more": 1},
    ],
)
def test_a_signed_record_that_is_none_is_refused(change: dict[str, object]) -> None:
    from plasm.receipts import pae

    document = {**cbor2.loads(cbor2.loads(WIRE)["payload"]), **change}
    payload = cbor2.dumps(document, canonical=True)
    signature = NODE.sign(pae("application/vnd.plasm.capability+cbor", payload))
    with pytest.raises(ProtocolViolation):
        verify(cbor2.dumps({"payload": payload, "signature": signature}, canonical=True), PEER, 1500)


@pytest.mark.parametrize(
    ("requirements", "unmet"),
    [
        (Requirements(), None),
        (Requirements(arch="x86_64", runtime="wasmtime"), None),
        (Requirements(arch="aarch64"), "architecture"),
        (Requirements(runtime="wasmer"), "no runtime wasmer"),
        (Requirements(limits=Limits(memory=2**31)), "bytes of memory"),
        (Requirements(limits=Limits(wall_time=120_000)), "ms at most"),
        (Requirements(limits=Limits(fuel=5, wall_time=1)), None),
        (Requirements(runtime="plain", limits=Limits(fuel=5, wall_time=1)), "keeps the limits"),
        (Requirements(runtime="plain", determinism=True, limits=Limits(wall_time=1)), "features"),
    ],
)
def test_what_a_job_requires_is_compared(requirements: Requirements, unmet: str | None) -> None:
    if requirements.limits == Limits():
        requirements = evolve(requirements, limits=Limits(wall_time=1000))
    found = requirements.unmet(RECORD)
    assert found is None if unmet is None else unmet in (found or "")


def test_a_job_requires_what_its_manifest_says() -> None:
    manifest = Manifest("ab" * 32, limits=Limits(memory=2**20), runtime="wasmtime", deterministic=True)
    found = Requirements.of(manifest, arch="riscv64")
    assert found == Requirements("riscv64", "wasmtime", manifest.limits, determinism=True)


def test_a_record_with_a_field_that_is_none_is_never_made() -> None:
    with pytest.raises(InvalidInput):
        evolve(RECORD, memory=-1)
