"""What the control socket can be asked: the state of this node, and jobs for it or for its peers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

import plasm
from plasm.control.job import ControlJob, read_offer
from plasm.control.server import Answer, ControlConnection, Fields
from plasm.errors import InvalidInput
from plasm.model import PeerId
from plasm.node.extensions import NodeExtensions
from plasm.node.peer_rows import answered_row, history, known_row
from plasm.node.peers import KnownPeers
from plasm.node.relay import Relay, read_number
from plasm.node.service import Engine, JobService
from plasm.node.store import MAX_PEERS, Store
from plasm.submission.submitter import Candidate, Submitter

MAX_ROWS: Final = 100_000


class Answers:
    """The answers of one node; :meth:`table` has them by the name of the request."""

    def __init__(
        self,
        peer: PeerId,
        addresses: Sequence[str],
        engines: Mapping[str, Engine],
        extensions: NodeExtensions,
        service: JobService,
        store: Store,
        known: KnownPeers,
        submitter: Submitter,
        relay: Relay,
        drain: Callable[[], None],
    ) -> None:
        self._peer = peer
        self._addresses = addresses
        self._engines = engines
        self._extensions = extensions
        self._service = service
        self._store = store
        self._known = known
        self._submitter = submitter
        self._relay = relay
        self._drain = drain
        self._started = time.monotonic()

    def table(self) -> Mapping[str, Answer]:
        """Each request with what answers it."""
        return {
            "status": self._status,
            "jobs": self._jobs,
            "receipts": self._receipts,
            "receipt": self._receipt,
            "peers": self._peers,
            "drain": self._start_draining,
            "run": self._run,
            "submit": self._relay.submit,
        }

    async def _status(self, _: ControlConnection, __: Fields) -> Any:
        descriptions = [engine.description for engine in self._engines.values()]
        return {
            "node": str(self._peer),
            "version": plasm.__version__,
            "uptime_s": int(time.monotonic() - self._started),
            "addresses": list(self._addresses),
            "runtimes": [{"name": each.name, "version": each.version} for each in descriptions],
            "extensions": [{"name": name, "version": version} for name, version in self._extensions.names_and_versions],
            "workers": sum(len(engine.executor.worker_pids) for engine in self._engines.values()),
            "running": self._service.running,
            "waiting": sum(engine.executor.waiting for engine in self._engines.values()),
            "draining": self._service.draining,
            "jobs": self._store.outcomes(),
        }

    async def _jobs(self, _: ControlConnection, fields: Fields) -> Any:
        return [attrs.asdict(row) for row in self._store.jobs(_limit(fields))]

    async def _receipts(self, _: ControlConnection, fields: Fields) -> Any:
        return [attrs.asdict(row) for row in self._store.receipts(_limit(fields))]

    async def _receipt(self, _: ControlConnection, fields: Fields) -> Any:
        job = fields.get("job")
        receipt = self._store.receipt(job) if isinstance(job, str) else None
        if receipt is None:
            raise InvalidInput(f"there is no receipt of a job {job!r:.80}", hint="see: plasm receipts")
        return json.loads(receipt)

    async def _peers(self, _: ControlConnection, fields: Fields) -> Any:
        limit = _limit(fields)
        answered: dict[str, dict[str, Any]] = {}

        def tell(answer: object) -> None:
            if isinstance(answer, Candidate):
                answered[str(answer.record.peer)] = answered_row(answer)

        await self._submitter.peers(tell, read_number(fields, "seconds", 3.0, 3600.0))
        known = {row.peer: row for row in self._known.latest(MAX_PEERS)}
        here = [row | history(known.get(peer)) for peer, row in answered.items()]
        absent = [known_row(row) | history(row) for peer, row in known.items() if peer not in answered]
        return here + absent[:limit]

    async def _start_draining(self, connection: ControlConnection, _: Fields) -> None:
        await connection.send("result", {"running": self._service.running})
        self._drain()  # after the answer, for a node that runs nothing ends at once

    async def _run(self, connection: ControlConnection, fields: Fields) -> None:
        await self._service.converse(self._peer, ControlJob(connection, read_offer(fields), self._peer))


def _limit(fields: Fields) -> int:
    limit = fields.get("limit", 100)
    if type(limit) is not int or not 0 < limit <= MAX_ROWS:
        raise InvalidInput(f"limit must be a whole number from 1 to {MAX_ROWS}")
    return limit
