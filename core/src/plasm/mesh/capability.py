"""What a node offers: a record that it signs, and what a client may require of it.  Pure.

A record is a map in deterministic CBOR.  It is signed like a receipt, with Ed25519 over DSSE's pre-authentication
encoding, with the payload type :data:`PAYLOAD_TYPE`; on the wire it is a map of ``payload`` and ``signature``.  It
holds between ``issued_at`` and ``expires_at``, and speaks only for the peer that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import cbor2
from attrs import field, frozen

from plasm.errors import InvalidInput, ProtocolViolation, VerificationFailed
from plasm.mesh.codec import load
from plasm.mesh.messages import Reject, RejectReason
from plasm.model import Feature, LimitKind, Limits, Manifest, PeerId
from plasm.model.quantities import is_safe_count
from plasm.receipts import pae
from plasm.signatures import sign_as, signature_holds

if TYPE_CHECKING:
    from plasm.contracts import Signer

PAYLOAD_TYPE: Final = "application/vnd.plasm.capability+cbor"
LIFETIME_SECONDS: Final = 15 * 60
_CLOCK_SKEW_SECONDS: Final = 5 * 60
ARCHITECTURES: Final = ("x86_64", "aarch64")
"""The architectures for which Plasm is built, as nodes advertise them: by the kernel's names (``uname -m``)."""
_MAX_ITEMS: Final = 64
_MAX_TEXT: Final = 256


def _text(value: object) -> str:
    if type(value) is not str or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise InvalidInput(f"{value!r:.80} is not printable text")
    return value


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    items = tuple(values)
    if len(items) > _MAX_ITEMS:
        raise InvalidInput(f"{len(items)} items, more than {_MAX_ITEMS}")
    return tuple(_text(str(item) if isinstance(item, str) else item) for item in items)


def _count(value: object) -> int:
    if not is_safe_count(value):
        raise InvalidInput(f"{value!r:.80} is not a whole number from 0 to 2^53-1")
    return value


@frozen
class RuntimeOffer:
    """A runtime that a node has: the limits that it keeps and the features that it provides, by their names."""

    name: str = field(converter=_text)
    version: str = field(converter=_text)
    enforces: tuple[str, ...] = field(default=(), converter=_texts)
    provides: tuple[str, ...] = field(default=(), converter=_texts)


def _offers(values: Iterable[RuntimeOffer]) -> tuple[RuntimeOffer, ...]:
    return tuple(values)


@frozen
class CapabilityRecord:
    """What one node offers.  ``memory``, ``wall_time_ms`` and ``module_bytes`` are the most that a job may ask for;
    ``workers`` jobs run at once.  Times are seconds since the Unix epoch.

    Raises:
        InvalidInput: a field that is not of its form.
    """

    peer: PeerId
    addresses: tuple[str, ...] = field(converter=_texts)
    arch: str = field(converter=_text)
    runtimes: tuple[RuntimeOffer, ...] = field(converter=_offers)
    memory: int = field(converter=_count)
    wall_time_ms: int = field(converter=_count)
    module_bytes: int = field(converter=_count)
    workers: int = field(converter=_count)
    issued_at: int = field(converter=_count)
    expires_at: int = field(converter=_count)
    version: str = field(default="0.1.0", converter=_text)

    def keys(self) -> tuple[str, ...]:
        """What the node is found by: ``/plasm/capability/<arch>/<runtime>``."""
        return tuple(capability_key(self.arch, runtime.name) for runtime in self.runtimes)


@frozen
class Requirements:
    """What a job needs of a node; ``None`` asks for nothing."""

    arch: str | None = None
    runtime: str | None = None
    limits: Limits = field(factory=Limits)
    determinism: bool = False
    memory: int = 0

    @classmethod
    def of(
        cls, manifest: Manifest, *, arch: str | None = None, runtime: str | None = None, memory: int = 0
    ) -> Requirements:
        """What ``manifest`` needs, and what its owner asks for beside."""
        return cls(arch, manifest.runtime or runtime, manifest.limits, manifest.deterministic, memory)

    def unmet(self, record: CapabilityRecord) -> str | None:
        """What of this ``record`` does not offer, in words; ``None`` where it offers all."""
        refused = self.refusal(record)
        return refused.detail if refused is not None else None

    def refusal(self, record: CapabilityRecord) -> Reject | None:
        """Why the node of ``record`` would reject a job that needs this; ``None`` where it would not."""
        if self.arch not in (None, record.arch):
            return Reject(RejectReason.ARCH_MISMATCH, f"its architecture is {record.arch}, not {self.arch:.256}")
        if max(self.memory, self.limits.memory) > record.memory:
            most = f"it gives a job {record.memory} bytes of memory at most"
            return Reject(RejectReason.INSUFFICIENT_RESOURCES, most)
        if self.limits.wall_time > record.wall_time_ms:
            return Reject(RejectReason.INSUFFICIENT_RESOURCES, f"it gives a job {record.wall_time_ms} ms at most")
        named = [runtime for runtime in record.runtimes if self.runtime in (None, runtime.name)]
        if not named:
            missing = f"it has no runtime {self.runtime:.256}" if self.runtime else "it has no runtime"
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, missing)
        if not any(self._suits(runtime) for runtime in named):
            unsuited = "none of its runtimes keeps the limits and has the features that the job needs"
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, unsuited)
        return None

    def _suits(self, runtime: RuntimeOffer) -> bool:
        if self.limits.fuel is not None and LimitKind.FUEL not in runtime.enforces:
            return False
        return not self.determinism or Feature.DETERMINISM in runtime.provides


def capability_key(arch: str, runtime: str) -> str:
    """The key under which nodes with this architecture and runtime are found."""
    return f"/plasm/capability/{arch}/{runtime}"


def sign(record: CapabilityRecord, signer: Signer) -> bytes:
    """``record`` as it goes over the wire, signed.

    Raises:
        IdentityError: ``signer`` does not hold the key of ``record.peer``, or cannot use it.
    """
    payload = cbor2.dumps(_as_document(record), canonical=True)
    signature = sign_as(record.peer, pae(PAYLOAD_TYPE, payload), signer)
    return cbor2.dumps({"payload": payload, "signature": signature}, canonical=True)


def verify(data: bytes, peer: PeerId, now: float) -> CapabilityRecord:
    """The record in ``data``, which ``peer`` signed and which holds at ``now``.

    Raises:
        ProtocolViolation: not a record in its one form.
        VerificationFailed: signed by nobody or by another, about another, or out of date.
    """
    envelope = load(data)
    payload, signature = envelope.get("payload"), envelope.get("signature")
    if envelope.keys() != {"payload", "signature"} or type(payload) is not bytes or type(signature) is not bytes:
        raise ProtocolViolation("a capability record that is not payload and signature")
    if not signature_holds(peer, pae(PAYLOAD_TYPE, payload), signature):
        raise VerificationFailed(f"the capability record is not signed by {peer}", hint="do not rely on it")
    record = _from_document(load(payload))
    if record.peer != peer:
        raise VerificationFailed(f"the capability record of {record.peer} came from {peer}", hint="do not rely on it")
    if not record.issued_at - _CLOCK_SKEW_SECONDS <= now <= record.expires_at + _CLOCK_SKEW_SECONDS:
        raise VerificationFailed(f"the capability record of {peer} is out of date", hint="check both clocks")
    return record


def _as_document(record: CapabilityRecord) -> dict[str, Any]:
    return {
        "peer": str(record.peer),
        "addresses": list(record.addresses),
        "arch": record.arch,
        "runtimes": [
            {
                "name": runtime.name,
                "version": runtime.version,
                "enforces": sorted(runtime.enforces),
                "provides": sorted(runtime.provides),
            }
            for runtime in record.runtimes
        ],
        "memory": record.memory,
        "wall_time_ms": record.wall_time_ms,
        "module_bytes": record.module_bytes,
        "workers": record.workers,
        "issued_at": record.issued_at,
        "expires_at": record.expires_at,
        "version": record.version,
    }


def _from_document(document: dict[str, Any]) -> CapabilityRecord:
    try:
        peer = PeerId.parse(document.pop("peer"))
        runtimes = document.pop("runtimes")
        if type(runtimes) is not list or len(runtimes) > _MAX_ITEMS:
            raise ProtocolViolation("runtimes that are no list, or too many")
        offers = [RuntimeOffer(**runtime) for runtime in runtimes]
        return CapabilityRecord(peer=peer, runtimes=offers, **document)
    except (InvalidInput, KeyError, TypeError, AttributeError) as error:
        raise ProtocolViolation(f"a capability record that is none: {error}") from None
