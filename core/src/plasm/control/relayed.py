"""Having a job run through the node of this machine, and verifying what comes back in this process.

The node finds a peer (or runs the job itself), and what it says of the result is not believed: the receipt must be of
the node that it named, about this very job, and name the bytes that came.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import threading
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from plasm.control.client import ControlClient
from plasm.control.lines import to_bytes
from plasm.errors import NodeNotRunning, OutputUnwanted, ProtocolViolation
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.job import Job
from plasm.jobs.replay import ReplayableInput
from plasm.jobs.sinks import OutputSink
from plasm.model import PeerId, Sha256
from plasm.model.manifest import canonical
from plasm.receipts import Receipt
from plasm.submission.acceptance import accept

_CHUNK_BYTES: Final = 512 * 2**10


@frozen
class Relayed:
    """A result that was accepted: the peer's claims, and the receipt that they come from."""

    peer: PeerId
    claims: Receipt
    receipt: bytes


class JobCancelledHere(Exception):
    """The cancellation came before the result."""


class RelayedJob:
    """One job over one connection; used once."""

    def __init__(
        self,
        client: ControlClient,
        job: Job,
        sink: OutputSink,
        stdin: ReplayableInput | None,
        cancellation: Cancellation,
        accepted: Callable[[PeerId], None],
    ) -> None:
        self._client = client
        self._job = job
        self._sink = sink
        self._stdin = stdin
        self._cancellation = cancellation
        self._accepted = accepted
        self._nonce = os.urandom(32).hex()
        self._hashes = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}
        self._peer: PeerId | None = None

    def run(self, request: str, **fields: Any) -> Relayed:
        """Have it run, by ``run`` on the node itself or by ``submit`` on a peer.

        Raises:
            JobCancelledHere: the cancellation was requested.
            PeerLied: the result does not verify.
            PlasmError: what the node says is wrong.
        """
        module = self._job.module
        self._client.send(
            "request",
            {
                "do": request,
                "manifest": json.loads(canonical(self._job.manifest)),
                "module": {"sha256": module.digest, "size": len(module.data)},
                "nonce": self._nonce,
                "stdin": self._stdin is not None,
                **fields,
            },
        )
        sending = False
        while True:
            kind, value = self._next()
            if kind == "send":
                for start in range(0, len(module.data), _CHUNK_BYTES):
                    self._client.send_bytes("module", module.data[start : start + _CHUNK_BYTES])
            elif kind == "accepted":
                self._peer = PeerId.parse(value["node"])
                self._accepted(self._peer)
            elif kind == "output":
                self._take(value)
            elif kind == "result":
                return self._verified(json.dumps(value["receipt"], sort_keys=True, separators=(",", ":")).encode())
            elif kind != "progress":
                raise ProtocolViolation(f"the node says {kind!r} in the middle of a job")
            if self._stdin is not None and not sending and kind == "accepted":
                sending = True
                threading.Thread(target=self._send_stdin, daemon=True).start()

    def _next(self) -> tuple[str, Any]:
        poll = select.poll()
        poll.register(self._client.descriptor, select.POLLIN)
        poll.register(self._cancellation.descriptor, select.POLLIN)
        if not self._client.waiting() and self._cancellation.descriptor in {ready for ready, _ in poll.poll()}:
            raise JobCancelledHere
        return self._client.receive()

    def _take(self, value: Any) -> None:
        stream, data = value["stream"], to_bytes(value["data"])
        if stream not in self._hashes:
            raise ProtocolViolation("output of a stream that is neither stdout nor stderr")
        self._hashes[stream].update(data)
        if not self._sink.write(stream, data):
            raise OutputUnwanted("the output is not wanted any more")

    def _send_stdin(self) -> None:
        assert self._stdin is not None
        position = 0
        # When the job or the node ends meanwhile, the other direction tells.
        with contextlib.suppress(NodeNotRunning):
            while part := self._stdin.read(position, _CHUNK_BYTES):
                position += len(part)
                self._client.send_bytes("stdin", part)
            self._client.send("stdin_end", True)

    def _verified(self, receipt: bytes) -> Relayed:
        if self._peer is None:
            raise ProtocolViolation("a result of nobody")
        claims = accept(
            receipt,
            peer=self._peer,
            job=self._job,
            nonce=self._nonce,
            sent=self._stdin.digest if self._stdin is not None else None,
            output={name: Sha256(hashed.hexdigest()) for name, hashed in self._hashes.items()},
        )
        return Relayed(self._peer, claims, receipt)
