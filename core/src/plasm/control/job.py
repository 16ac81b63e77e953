"""A job on the control socket, in the messages of a peer's: the same service runs both."""

from __future__ import annotations

import json
from typing import Any

import anyio

from plasm.contracts import PeerRecord
from plasm.control.lines import MAX_CHUNK_BYTES, to_bytes, to_text
from plasm.control.server import ControlConnection, Fields
from plasm.errors import InvalidInput, ProtocolViolation
from plasm.mesh.capability import Requirements
from plasm.mesh.messages import (
    Accept,
    Failure,
    Message,
    ModuleChunk,
    Offer,
    OutputChunk,
    Progress,
    Reject,
    Result,
    StdinChunk,
    StdinEnd,
)
from plasm.model import PeerId, Sha256
from plasm.model.documents import manifest_from_json
from plasm.model.manifest import canonical
from plasm.model.quantities import is_safe_count


class ControlJob:
    """A job that comes by the control socket, as the messages that a peer would send: ``offer`` first, where given.
    ``node`` is who is said to run it."""

    def __init__(self, connection: ControlConnection, offer: Offer | None = None, node: PeerId | None = None) -> None:
        self._connection = connection
        self._offer = offer
        self._node = node

    async def receive(self) -> Message | None:
        """The next thing that the client says of its job.

        Raises:
            BrokenResourceError: the client has gone.
            ProtocolViolation: a line that is none of a job's.
        """
        if self._offer is not None:
            offer, self._offer = self._offer, None
            return offer
        heard = await self._connection.receive()
        if heard is None:
            raise anyio.BrokenResourceError
        return _heard(*heard)

    async def send(self, message: Message) -> None:
        """Tell the client of its job.

        Raises:
            BrokenResourceError: the client has gone.
        """
        for kind, value in said(message, self._node):
            await self._connection.send(kind, value)


def read_offer(fields: Fields) -> Offer:
    """The job that a request describes.

    Raises:
        InvalidInput: it describes none.
    """
    try:
        module, manifest = fields["module"], fields["manifest"]
        digest = Sha256(module["sha256"])
        job = manifest_from_json(json.dumps(manifest).encode(), digest)
        return Offer(canonical(job), digest, module["size"], fields["nonce"], stdin=bool(fields.get("stdin")))
    except (KeyError, TypeError):
        raise InvalidInput(
            "a job needs manifest, module (sha256, size) and nonce", hint="see docs/control.md"
        ) from None


def read_peers(fields: Fields) -> list[PeerRecord]:
    """The peers that a request names by their addresses.

    Raises:
        InvalidInput: they are not a list of peers' addresses.
    """
    addresses = fields.get("peers") or ()
    if not isinstance(addresses, list | tuple) or not all(isinstance(address, str) for address in addresses):
        raise InvalidInput("peers are not a list of addresses", hint="see docs/control.md")
    return [PeerRecord.parse(address) for address in addresses]


def read_requirements(fields: Fields, offer: Offer) -> Requirements:
    """What the job of ``offer`` needs, and what a request asks for beside.

    Raises:
        InvalidInput: it asks for something else than ``arch``, ``runtime`` and ``memory``.
    """
    asked: dict[str, Any] = fields.get("require") or {}
    if not isinstance(asked, dict) or not asked.keys() <= {"arch", "runtime", "memory"}:
        raise InvalidInput("require may have arch, runtime and memory")
    if not all(isinstance(asked.get(name) or "", str) for name in ("arch", "runtime")):
        raise InvalidInput("arch and runtime of require must be text")
    if not is_safe_count(asked.get("memory") or 0):
        raise InvalidInput("memory of require must be a number of bytes")
    manifest = manifest_from_json(offer.manifest, offer.module)
    return Requirements.of(
        manifest, arch=asked.get("arch"), runtime=asked.get("runtime"), memory=asked.get("memory") or 0
    )


def read_number(fields: Fields, name: str, default: Any, most: float) -> Any:
    """The number that ``fields`` have under this name.

    Raises:
        InvalidInput: not a number above 0 and up to ``most``.
    """
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InvalidInput(f"{name} must be a number up to {most:.0f}")
    return value


def _heard(kind: str, value: Any) -> Message:
    if kind == "module":
        return ModuleChunk(to_bytes(value))
    if kind == "stdin":
        return StdinChunk(to_bytes(value))
    if kind == "stdin_end":
        return StdinEnd()
    raise ProtocolViolation(f"a line {kind!r} in the middle of a job")


def said(message: Message, node: PeerId | None) -> list[tuple[str, Any]]:
    """The lines that tell ``message``, which comes from ``node``."""
    if isinstance(message, Accept):
        accepted = ("accepted", {"node": str(node), "starts_in_ms": message.starts_in_ms})
        return [("send", "module"), accepted] if message.module_wanted else [accepted]
    if isinstance(message, OutputChunk):
        return [("output", {"stream": message.stream, "data": to_text(part)}) for part in _parts(message.data)]
    if isinstance(message, Progress):
        return [("progress", {"phase": message.phase.value, "elapsed_ms": message.elapsed_ms})]
    if isinstance(message, Result):
        return [("result", {"receipt": json.loads(message.receipt)})]
    if isinstance(message, Failure):
        return [("error", {"code": message.code, "message": message.message, "hint": ""})]
    assert isinstance(message, Reject)
    text = f"the node does not take the job: {message.reason}"
    return [("error", {"code": "peer-rejected", "message": text, "hint": message.detail})]


def _parts(data: bytes) -> list[bytes]:
    return [data[start : start + MAX_CHUNK_BYTES] for start in range(0, len(data), MAX_CHUNK_BYTES)]
