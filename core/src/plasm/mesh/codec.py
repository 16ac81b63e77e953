"""Messages as bytes: one map in deterministic CBOR (RFC 8949, section 4.2.1), its field ``type`` naming the message.

Exactly one form of a message is accepted: the one that :func:`encode` makes.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import cbor2

from plasm.errors import InvalidInput, ProtocolViolation
from plasm.mesh import messages
from plasm.mesh.framing import MAX_CONTROL_BYTES
from plasm.mesh.messages import Message

_DEPTH: Final = 4
_CLASSES: Final[dict[str, type[Any]]] = {
    kind.TYPE: kind
    for kind in (
        messages.Offer,
        messages.Accept,
        messages.Reject,
        messages.ModuleChunk,
        messages.StdinChunk,
        messages.StdinEnd,
        messages.OutputChunk,
        messages.Progress,
        messages.Result,
        messages.Failure,
    )
}
_DATA: Final = (messages.ModuleChunk, messages.StdinChunk, messages.OutputChunk)


def encode(message: Message) -> bytes:
    """``message`` as a frame's payload."""
    fields = {attribute.name: getattr(message, attribute.name) for attribute in attrs.fields(type(message))}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in fields.items()}
    return cbor2.dumps({"type": message.TYPE, **plain}, canonical=True)


def decode(payload: bytes) -> Message:
    """The inverse of :func:`encode`, for bytes that anybody may have sent.

    Raises:
        ProtocolViolation: not a message, or not in its one form.
    """
    document = load(payload)
    kind = _CLASSES.get(str(document.pop("type", None)))
    if kind is None:
        raise ProtocolViolation("a message of no known type")
    if len(payload) > MAX_CONTROL_BYTES and kind not in _DATA:
        raise ProtocolViolation(f"a control message of {len(payload)} bytes")
    if document.keys() != {attribute.name for attribute in attrs.fields(kind)}:
        raise ProtocolViolation(f"a message {kind.TYPE!r} with other fields than it has")
    try:
        message: Message = kind(**document)
    except (InvalidInput, ValueError) as error:
        raise ProtocolViolation(f"a message {kind.TYPE!r} with {error}") from None
    return message


def load(payload: bytes) -> dict[str, Any]:
    """The map that ``payload`` is the deterministic encoding of.

    Raises:
        ProtocolViolation: it is not.
    """
    try:
        document = cbor2.loads(payload, max_depth=_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        canonical = cbor2.dumps(document, canonical=True)
    except Exception:  # the decoder's errors share no base, and any of them says the same
        raise ProtocolViolation("a frame that is not CBOR") from None
    if canonical != payload:
        raise ProtocolViolation("CBOR that is not in its deterministic form")
    if type(document) is not dict or not all(type(name) is str for name in document):
        raise ProtocolViolation("a frame that is not a map of names")
    return document
