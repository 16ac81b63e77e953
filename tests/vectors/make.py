"""Writes the vectors beside this file: ``python tests/vectors/make.py``.  Deterministic; see README.md."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import evolve
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from plasm.model import (
    Invocation,
    Limits,
    Manifest,
    Mount,
    Outcome,
    OutcomeKind,
    PeerId,
    TrapKind,
    Usage,
    sha256_hex,
)
from plasm.model.manifest import canonical
from plasm.receipts import (
    PAYLOAD_TYPE,
    Envelope,
    LegacyReceipt,
    Receipt,
    Subject,
    encode,
    issue,
    issue_legacy,
    pae,
)

FOLDER = Path(__file__).parent / "receipts"
RFC_8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
OTHER_SEED = bytes(31) + b"\x01"
SEEDS = (RFC_8032_SEED, OTHER_SEED, bytes(31) + b"\x02", bytes(32), b"\xff" * 32)
MODULE = b"\0asm\1\0\0\0"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

Json = dict[str, Any]


class SeedSigner:
    """A signer with a key that everybody knows."""

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret_key = crypto_sign_seed_keypair(seed)
        self.peer_id = PeerId(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return crypto_sign(message, self._secret_key)[:64]


SIGNER = SeedSigner(RFC_8032_SEED)
OTHER = SeedSigner(OTHER_SEED)


def manifests() -> dict[str, Manifest]:
    module = sha256_hex(MODULE)
    return {
        "defaults": Manifest(module),
        "everything": Manifest(
            module,
            Invocation(
                args=("--name", "Grüße, 世界 🌍", "", 'quote " and \\', "tab\tline\n"),
                env={"ZED": "last", "ALPHA": "first", "a": "lower-case sorts after upper-case"},
                mounts=(Mount("/data"), Mount("/models", read_only=True)),
            ),
            Limits(memory=2**20, fuel=10**9, wall_time=2_000, output=4096),
            runtime="wasmtime",
        ),
    }


def receipts() -> dict[str, Receipt]:
    plain = Receipt(
        subjects=(Subject("stdout", sha256_hex(b"hello\n")), Subject("stderr", sha256_hex(b""))),
        job_id="00112233445566778899aabbccddeeff",
        manifest=manifests()["defaults"].digest(),
        nonce="0123456789abcdef" * 4,
        module=sha256_hex(MODULE),
        module_size=len(MODULE),
        stdin=sha256_hex(b""),
        stdin_size=0,
        outcome=Outcome.exited(0),
        usage=Usage(wall_time_us=12_345, cpu_time_us=11_000, peak_memory=65_536),
        limits=Limits(),
        runtime_name="wasmtime",
        runtime_version="50.0.1",
        arch="x86_64",
        node=SIGNER.peer_id,
        started_us=1_738_324_799_999_999,
        finished_us=1_738_324_800_012_344,
    )
    return {
        "exited": plain,
        "trapped": evolve(plain, outcome=Outcome.trapped(TrapKind.UNREACHABLE), usage=Usage(wall_time_us=7)),
        "everything": evolve(
            plain,
            subjects=(*plain.subjects, Subject("/data/résumé.csv", sha256_hex(b"a,b\n"))),
            manifest=manifests()["everything"].digest(),
            stdin=sha256_hex(b"input"),
            stdin_size=5,
            outcome=Outcome(OutcomeKind.OUT_OF_FUEL),
            usage=Usage(wall_time_us=2**53 - 1, cpu_time_us=0, peak_memory=2**32, fuel=10**9),
            limits=manifests()["everything"].limits,
            arch="aarch64",
            started_us=0,
            finished_us=253_402_300_799_999_999,
            truncated=("stdout", "stderr"),
        ),
        "exited-with-the-largest-code": evolve(plain, outcome=Outcome.exited(2**32 - 1)),
    }


def documents() -> dict[str, list[Json]]:
    """Every file of vectors by its name."""
    return {
        "peer_ids.json": [peer_id_vector(seed) for seed in SEEDS],
        "pae.json": [
            pae_vector("http://example.com/HelloWorld", b"hello world"),
            pae_vector("", b""),
            pae_vector("é", b"\0\xff"),
        ],
        "manifests.json": [
            {"name": name, "canonical": canonical(manifest).decode(), "sha256": manifest.digest()}
            for name, manifest in manifests().items()
        ],
        "receipts.json": [receipt_vector(name, receipt) for name, receipt in receipts().items()],
        "legacy.json": [legacy_vector(name, LegacyReceipt.of(receipt)) for name, receipt in receipts().items()],
        "invalid.json": [
            {"name": name, "code": code, "why": why, "receipt": receipt}
            for name, code, why, receipt in (*invalid_envelopes(), *invalid_statements(), *invalid_legacy())
        ],
    }


def peer_id_vector(seed: bytes) -> Json:
    signer = SeedSigner(seed)
    return {"seed": seed.hex(), "publicKey": signer.public_key.hex(), "peerId": str(signer.peer_id)}


def pae_vector(payload_type: str, payload: bytes) -> Json:
    return {"payloadType": payload_type, "payload": payload.hex(), "pae": pae(payload_type, payload).hex()}


def receipt_vector(name: str, receipt: Receipt) -> Json:
    envelope = issue(receipt, SIGNER)
    return {
        "name": name,
        "seed": RFC_8032_SEED.hex(),
        "peerId": envelope.keyid,
        "payload": envelope.payload.decode(),
        "pae": pae(envelope.payload_type, envelope.payload).hex(),
        "signature": envelope.signature.hex(),
        "receipt": envelope.to_json().decode(),
    }


def legacy_vector(name: str, receipt: LegacyReceipt) -> Json:
    return {
        "name": name,
        "seed": RFC_8032_SEED.hex(),
        "peerId": str(receipt.node),
        "signedBytes": receipt.signed_bytes().hex(),
        "receipt": issue_legacy(receipt, SIGNER).decode(),
    }


Invalid = tuple[str, str, str, str]


def invalid_envelopes() -> Iterator[Invalid]:
    receipt = receipts()["exited"]
    payload = encode(receipt)
    good = issue(receipt, SIGNER)
    document = json.loads(good.to_json())
    only = document["signatures"][0]

    def malformed(name: str, why: str, **changes: object) -> Invalid:
        return name, "invalid-receipt", why, dumps({**document, **changes})

    def forged(name: str, why: str, **changes: Any) -> Invalid:
        return name, "verification-failed", why, evolve(good, **changes).to_json().decode()

    yield "empty", "invalid-receipt", "not JSON", ""
    yield "not-an-object", "invalid-receipt", "an envelope is an object", "[]"
    yield "not-a-number", "invalid-receipt", "NaN is not JSON", '{"payload":NaN}'
    yield "byte-order-mark", "invalid-receipt", "JSON starts without one", "\ufeff" + dumps(document)
    yield (
        "duplicate-field",
        "invalid-receipt",
        "payloadType occurs twice",
        '{"payloadType":"text/plain",' + dumps(document)[1:],
    )
    yield malformed("unsigned", "no signature", signatures=[])
    yield malformed("two-signatures", "one more than one, though both hold", signatures=[only, only])
    yield malformed("unknown-envelope-field", "a field that DSSE does not have", extra=1)
    yield malformed("other-payload-type", "not in-toto's", payloadType="application/json")
    yield malformed("unpadded", "base64 without its padding", signatures=[{**only, "sig": only["sig"].rstrip("=")}])
    yield malformed(
        "loose-bits",
        "bits set that base64 does not use",
        signatures=[{**only, "sig": only["sig"][:-3] + chr(ord(only["sig"][-3]) + 1) + "=="}],
    )
    yield malformed("url-safe", "base64url instead of base64", payload=base64.urlsafe_b64encode(b"\xff" * 3).decode())
    yield malformed(
        "short-signature", "63 bytes", signatures=[{**only, "sig": base64.b64encode(good.signature[:63]).decode()}]
    )
    yield malformed("keyid-no-peer-id", "keyid is not a peer id", signatures=[{**only, "keyid": "key 1"}])
    yield forged("changed-payload", "one digit of the payload", payload=payload.replace(b"12345", b"12346"))
    yield forged("other-keyid", "keyid is another node's", keyid=str(OTHER.peer_id))
    yield forged("other-signer", "another node's signature", signature=OTHER.sign(pae(PAYLOAD_TYPE, payload)))
    yield forged(
        "other-node",
        "another node signs as itself what names this node",
        keyid=str(OTHER.peer_id),
        signature=OTHER.sign(pae(PAYLOAD_TYPE, payload)),
    )
    yield forged(
        "payload-alone-signed", "the signature is over the payload, not over its PAE", signature=SIGNER.sign(payload)
    )
    scalar = int.from_bytes(good.signature[32:], "little") + GROUP_ORDER
    yield forged(
        "malleable-signature",
        "S is not below the group order (RFC 8032, 5.1.7)",
        signature=good.signature[:32] + scalar.to_bytes(32, "little"),
    )
    identity = b"\x01" + bytes(31)
    weak = encode(evolve(receipt, node=PeerId(identity)))
    yield forged(
        "small-order-key",
        "a key of small order, for which one signature fits every message",
        payload=weak,
        keyid=str(PeerId(identity)),
        signature=identity + bytes(32),
    )


def invalid_statements() -> Iterator[Invalid]:
    """Statements that no receipt may carry, though their signatures hold."""
    cases: dict[str, tuple[str, Callable[[Json, Json], object]]] = {
        "other-statement-type": ("v0.1", lambda s, _: s.update(_type="https://in-toto.io/Statement/v0.1")),
        "other-predicate-type": ("SLSA's", lambda s, _: s.update(predicateType="https://slsa.dev/provenance/v1")),
        "no-subject": ("a field is missing", lambda s, _: s.pop("subject")),
        "no-stderr": ("stdout and stderr are always there", lambda s, _: s["subject"].pop()),
        "subject-twice": ("one name, two digests", lambda s, _: s["subject"].append(s["subject"][0])),
        "subject-relative": ("a file has an absolute path", lambda s, _: s["subject"][0].update(name="out.csv")),
        "unknown-field": ("a field that v1 does not have", lambda _, p: p.update(comment="")),
        "no-nonce": ("a field is missing", lambda _, p: p["job"].pop("nonce")),
        "upper-case-digest": ("hex is lower-case", lambda _, p: p["module"]["digest"].update(sha256="A" * 64)),
        "second-digest": ("SHA-256 alone", lambda _, p: p["module"]["digest"].update(sha1="0" * 40)),
        "null": ("what has no value is left out", lambda _, p: p["usage"].update(fuel=None)),
        "float": ("numbers are whole", lambda _, p: p["usage"].update(wallTimeUs=12345.0)),
        "boolean-number": ("true is not 1", lambda _, p: p["module"].update(size=True)),
        "negative": ("sizes are not negative", lambda _, p: p["stdin"].update(size=-1)),
        "large-number": ("2^53", lambda _, p: p["usage"].update(wallTimeUs=2**53)),
        "exited-without-code": ("exited has an exit code", lambda _, p: p["outcome"].pop("exitCode")),
        "exited-and-trapped": ("trapped alone has a trap", lambda _, p: p["outcome"].update(trap="other")),
        "unknown-outcome": ("not in the list", lambda _, p: p["outcome"].update(kind="finished")),
        "memory-limit-zero": ("less than a page", lambda _, p: p["limits"].update(memory=0)),
        "terminal-escape": ("text is printable", lambda _, p: p["runtime"].update(name="\x1b[2Jwasmtime")),
        "moment-without-fraction": ("six digits", lambda _, p: p.update(startedOn="2025-01-31T12:00:00Z")),
        "moment-with-offset": ("UTC is Z", lambda _, p: p.update(startedOn="2025-01-31T12:00:00.000000+00:00")),
        "no-such-day": ("30 February", lambda _, p: p.update(startedOn="2024-02-30T12:00:00.000000Z")),
        "leap-second": ("the Unix epoch has none", lambda _, p: p.update(startedOn="2016-12-31T23:59:60.000000Z")),
        "unknown-stream": ("stdout and stderr only", lambda _, p: p.update(truncated=["stdin"])),
        "stream-twice": ("each at most once", lambda _, p: p.update(truncated=["stdout", "stdout"])),
    }
    for name, (why, change) in cases.items():
        statement = json.loads(encode(receipts()["exited"]))
        change(statement, statement["predicate"])
        payload = dumps(statement).encode()
        signature = SIGNER.sign(pae(PAYLOAD_TYPE, payload))
        receipt = Envelope(payload, PAYLOAD_TYPE, str(SIGNER.peer_id), signature).to_json()
        yield f"statement-{name}", "invalid-receipt", why, receipt.decode()


def invalid_legacy() -> Iterator[Invalid]:
    good = json.loads(issue_legacy(LegacyReceipt.of(receipts()["exited"]), SIGNER))
    changes: dict[str, tuple[str, str, Json]] = {
        "exit-code-changed": ("verification-failed", "signed was 0", {"exit_code": 1}),
        "module-changed": ("verification-failed", "another module", {"module_hash": "sha256:" + "0" * 64}),
        "key-changed": ("verification-failed", "another node's key", {"node_pubkey": OTHER.public_key.hex()}),
        "other-version": ("invalid-receipt", "0.1 is the only one", {"version": "0.2"}),
        "text-exit-code": ("invalid-receipt", "a number, not text", {"exit_code": "0"}),
        "large-exit-code": ("invalid-receipt", "more than 32 bits", {"exit_code": 2**32}),
        "bare-hash": ("invalid-receipt", "no sha256: before it", {"module_hash": "0" * 64}),
        "upper-case": ("invalid-receipt", "hex is lower-case", {"signature": good["signature"].upper()}),
        "unknown-field": ("invalid-receipt", "a field that 0.1 does not have", {"stdout": ""}),
    }
    for name, (code, why, change) in changes.items():
        yield f"legacy-{name}", code, why, dumps({**good, **change})


def dumps(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def render(vectors: list[Json]) -> str:
    return json.dumps(vectors, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file_name, vectors in documents().items():
        (FOLDER / file_name).write_text(render(vectors), encoding="utf-8")
