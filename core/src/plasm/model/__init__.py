"""The vocabulary of Plasm as frozen values.  Imports nothing of ours but :mod:`plasm.errors`; does no I/O."""

from plasm.model.digest import Sha256, is_sha256, sha256_hex
from plasm.model.invocation import Invocation, Mount, Preopen
from plasm.model.limits import MAX_MODULE_BYTES, LimitKind, Limits
from plasm.model.manifest import Manifest
from plasm.model.outcome import Outcome, OutcomeKind, TrapKind, Usage
from plasm.model.peer_id import PeerId

__all__ = [
    "MAX_MODULE_BYTES",
    "Invocation",
    "LimitKind",
    "Limits",
    "Manifest",
    "Mount",
    "Outcome",
    "OutcomeKind",
    "PeerId",
    "Preopen",
    "Sha256",
    "TrapKind",
    "Usage",
    "is_sha256",
    "sha256_hex",
]
