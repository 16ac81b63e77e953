"""The vocabulary of Plasm as frozen values.  Imports nothing of ours but :mod:`plasm.errors`; does no I/O."""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.model.determinism import Determinism as Determinism
    from plasm.model.determinism import RandomStream as RandomStream
    from plasm.model.determinism import VirtualClock as VirtualClock
    from plasm.model.digest import Sha256 as Sha256
    from plasm.model.digest import is_sha256 as is_sha256
    from plasm.model.digest import sha256_hex as sha256_hex
    from plasm.model.invocation import Invocation as Invocation
    from plasm.model.invocation import Mount as Mount
    from plasm.model.invocation import Preopen as Preopen
    from plasm.model.limits import MAX_MODULE_BYTES as MAX_MODULE_BYTES
    from plasm.model.limits import Feature as Feature
    from plasm.model.limits import LimitKind as LimitKind
    from plasm.model.limits import Limits as Limits
    from plasm.model.manifest import Manifest as Manifest
    from plasm.model.outcome import Outcome as Outcome
    from plasm.model.outcome import OutcomeKind as OutcomeKind
    from plasm.model.outcome import TrapKind as TrapKind
    from plasm.model.outcome import Usage as Usage
    from plasm.model.peer_id import PeerId as PeerId

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Determinism": "plasm.model.determinism",
        "RandomStream": "plasm.model.determinism",
        "VirtualClock": "plasm.model.determinism",
        "Sha256": "plasm.model.digest",
        "is_sha256": "plasm.model.digest",
        "sha256_hex": "plasm.model.digest",
        "Invocation": "plasm.model.invocation",
        "Mount": "plasm.model.invocation",
        "Preopen": "plasm.model.invocation",
        "MAX_MODULE_BYTES": "plasm.model.limits",
        "Feature": "plasm.model.limits",
        "LimitKind": "plasm.model.limits",
        "Limits": "plasm.model.limits",
        "Manifest": "plasm.model.manifest",
        "Outcome": "plasm.model.outcome",
        "OutcomeKind": "plasm.model.outcome",
        "TrapKind": "plasm.model.outcome",
        "Usage": "plasm.model.outcome",
        "PeerId": "plasm.model.peer_id",
    },
)
