"""Having jobs run through the node of this machine; loads nothing that is slow to load.

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
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from plasm.client.peers import Chosen, Require, ended_by
from plasm.contracts import PeerRecord
from plasm.control.client import ControlClient
from plasm.control.finding import node
from plasm.control.lines import MAX_CHUNK_BYTES, to_bytes
from plasm.errors import JobCancelled, NodeNotRunning, OutputUnwanted, ProtocolViolation, UnreadableInput
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.jobs.sinks import OutputSink
from plasm.model import PeerId, Sha256
from plasm.model.manifest import canonical
from plasm.submission.acceptance import Delivered, accept


class NodeClient:
    """Has jobs run through the node of this machine: this user's own, or else the system's.

    May be used from several threads; each job has a connection of its own.

    Args:
        peers: for :meth:`submit`, these are asked and no others; without any, the node finds peers in its own ways.
        connect: makes a connection to the node.
    """

    def __init__(self, *, peers: Sequence[PeerRecord] = (), connect: Callable[[], ControlClient] = node) -> None:
        self._peers = [address for peer in peers for address in peer.addresses]
        self._connect = connect

    def submit(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        require: Require | None = None,
        attempts: int = 1,
        search_seconds: float | None = None,
        cancellation: Cancellation | None = None,
        chosen: Callable[[Chosen], None] | None = None,
    ) -> Delivered:
        """See :meth:`plasm.client.peers.PeerClient.submit`; where no peer takes the job, the node runs it itself.

        Raises:
            NodeNotRunning: there is no node, or it has gone.
        """
        fields = {"peers": self._peers, "require": {**(require or {})}, "attempts": attempts}
        if search_seconds is not None:
            fields["seconds"] = search_seconds
        return self._have_run("submit", fields, job, sink, stdin, cancellation, chosen)

    def run(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        cancellation: Cancellation | None = None,
        chosen: Callable[[Chosen], None] | None = None,
    ) -> Delivered:
        """Have the node itself run ``job``.

        Raises:
            NodeNotRunning: there is no node, or it has gone.
            PlasmError: as for :meth:`submit`.
        """
        return self._have_run("run", {}, job, sink, stdin, cancellation, chosen)

    def _have_run(
        self,
        request: str,
        fields: dict[str, Any],
        job: Job,
        sink: OutputSink,
        stdin: bytes | int | None,
        cancellation: Cancellation | None,
        chosen: Callable[[Chosen], None] | None,
    ) -> Delivered:
        job.check_portable()
        with (
            ended_by(cancellation),
            nullcontext() if stdin is None else ReplayableInput(stdin) as given,
            self._connect() as connection,
        ):
            return _NodeJob(connection, job, sink, given, cancellation, chosen).run(request, fields)


class _NodeJob:
    """One job over one connection; used once."""

    def __init__(
        self,
        connection: ControlClient,
        job: Job,
        sink: OutputSink,
        stdin: ReplayableInput | None,
        cancellation: Cancellation | None,
        chosen: Callable[[Chosen], None] | None,
    ) -> None:
        self._connection = connection
        self._job = job
        self._sink = sink
        self._stdin = stdin
        self._cancellation = cancellation
        self._chosen = chosen
        self._nonce = os.urandom(32).hex()
        self._hashes = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}
        self._peer: PeerId | None = None
        self._unreadable: UnreadableInput | None = None

    def run(self, request: str, fields: dict[str, Any]) -> Delivered:
        module = self._job.module
        self._connection.send(
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
        while True:
            kind, value = self._next()
            if kind == "send":
                for start in range(0, len(module.data), MAX_CHUNK_BYTES):
                    self._connection.send_bytes("module", module.data[start : start + MAX_CHUNK_BYTES])
            elif kind == "accepted":
                self._accepted(Chosen(PeerId.parse(value["node"]), starts_in_ms=value.get("starts_in_ms", 0)))
            elif kind == "output":
                self._take(value)
            elif kind == "result":
                return self._verified(json.dumps(value["receipt"], sort_keys=True, separators=(",", ":")).encode())
            elif kind != "progress":
                raise ProtocolViolation(f"the node says {kind!r} in the middle of a job")

    def _next(self) -> tuple[str, Any]:
        """The next line of the node's."""
        if not self._connection.waiting() and self._cancellation is not None:
            poll = select.poll()
            poll.register(self._connection.descriptor, select.POLLIN)
            poll.register(self._cancellation.descriptor, select.POLLIN)
            if self._cancellation.descriptor in {ready for ready, _ in poll.poll()}:
                raise JobCancelled("the job was cancelled before its result came")
        try:
            return self._connection.receive()
        except NodeNotRunning:
            if self._unreadable is not None:
                raise self._unreadable from None
            raise

    def _accepted(self, chosen: Chosen) -> None:
        first, self._peer = self._peer is None, chosen.peer
        if self._chosen is not None:
            self._chosen(chosen)
        if first and self._stdin is not None:
            threading.Thread(target=self._send_stdin, args=[self._stdin], daemon=True).start()

    def _send_stdin(self, stdin: ReplayableInput) -> None:
        position = 0
        # When the job or the node ends meanwhile, the other direction tells, and ``stdin`` may be closed already.
        with contextlib.suppress(NodeNotRunning, ValueError):
            try:
                while part := stdin.read(position, MAX_CHUNK_BYTES):
                    position += len(part)
                    self._connection.send_bytes("stdin", part)
                self._connection.send("stdin_end", True)
            except UnreadableInput as error:
                self._unreadable = error
                self._connection.shut_down()

    def _take(self, value: Any) -> None:
        stream, data = value["stream"], to_bytes(value["data"])
        if stream not in self._hashes:
            raise ProtocolViolation("output of a stream that is neither stdout nor stderr")
        self._hashes[stream].update(data)
        if not self._sink.write(stream, data):
            raise OutputUnwanted("the output is not wanted any more")

    def _verified(self, receipt: bytes) -> Delivered:
        if self._peer is None:
            raise ProtocolViolation("a result of nobody")
        return accept(
            receipt,
            peer=self._peer,
            job=self._job,
            nonce=self._nonce,
            sent=self._stdin.digest if self._stdin is not None else None,
            output={name: Sha256(hashed.hexdigest()) for name, hashed in self._hashes.items()},
        )
