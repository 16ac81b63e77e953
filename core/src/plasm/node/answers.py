"""What the control socket can be asked: the state of this node, and jobs for it or for its peers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import attrs

import plasm
from plasm.control.job import ControlJob, read_number, read_offer, read_requirements
from plasm.control.server import ROWS_A_LINE, Answer, ControlConnection, Fields, Pages, in_lines
from plasm.errors import InvalidInput, NodeStopping
from plasm.node.ledger import ReadPage
from plasm.node.lifecycle import Lifecycle, NodeEvent
from plasm.node.network import Network
from plasm.node.peer_rows import answered_row, history, known_row
from plasm.node.relay import Relay
from plasm.node.resources import Resources
from plasm.node.service import JobService
from plasm.node.store import MAX_PEERS, Store
from plasm.submission.submitter import Candidate

_MAX_ROWS: Final = 100_000


class Answers:
    """The answers of one node; :meth:`table` has them by the name of the request."""

    def __init__(self, resources: Resources, network: Network, service: JobService, life: Lifecycle) -> None:
        self._resources = resources
        self._ledger = resources.ledger
        self._network = network
        self._service = service
        self._life = life
        self._started = time.monotonic()

    def table(self) -> Mapping[str, Answer]:
        """Each request with what answers it."""
        return {
            "status": self._status,
            "jobs": self._jobs,
            "receipts": self._receipts,
            "receipt": self._receipt,
            "peers": self._peers,
            "drain": self._drain,
            "undrain": self._undrain,
            "run": self._run,
            "submit": Relay(self._network.submitter, self._resources.modules).submit,
        }

    async def _status(self, _: ControlConnection, __: Fields) -> Any:
        life, runtimes = self._life, self._resources.runtimes.values()
        extensions = self._resources.extensions

        def look(store: Store) -> tuple[dict[str, int], int]:
            # Pools of workers are locked while a worker is started.
            return store.outcomes(), sum(len(each.executor.worker_pids) for each in runtimes)

        jobs, workers = await self._ledger.read(look)
        draining_s = life.draining_s
        return {
            "node": str(self._resources.peer),
            "version": plasm.__version__,
            "state": life.state.value,
            "uptime_s": int(time.monotonic() - self._started),
            "addresses": list(self._network.addresses),
            "runtimes": [{"name": each.description.name, "version": each.description.version} for each in runtimes],
            "extensions": [{"name": name, "version": version} for name, version in extensions.names_and_versions],
            "workers": workers,
            "running": life.running,
            "waiting": sum(each.executor.waiting for each in runtimes),
            "draining": life.draining,
            "draining_s": None if draining_s is None else int(draining_s),
            "jobs": jobs,
        }

    async def _jobs(self, _: ControlConnection, fields: Fields) -> Pages:
        return self._rows(Store.jobs, _limit(fields))

    async def _receipts(self, _: ControlConnection, fields: Fields) -> Pages:
        return self._rows(Store.receipts, _limit(fields))

    async def _rows(self, read_page: ReadPage[Any], limit: int) -> AsyncIterator[Sequence[Any]]:
        async for page in self._ledger.pages(read_page, limit, ROWS_A_LINE):
            yield [attrs.asdict(row, recurse=False) for row in page]

    async def _receipt(self, _: ControlConnection, fields: Fields) -> Any:
        job = fields.get("job")
        receipt = await self._ledger.read(Store.receipt, job) if isinstance(job, str) and job.isascii() else None
        if receipt is None:
            raise InvalidInput(f"there is no receipt of a job {job!r:.80}", hint="see: plasm receipts")
        return json.loads(receipt)

    async def _peers(self, _: ControlConnection, fields: Fields) -> Pages:
        limit = _limit(fields)
        answered: dict[str, dict[str, Any]] = {}

        def tell(answer: object) -> None:
            if isinstance(answer, Candidate):
                answered[str(answer.record.peer)] = answered_row(answer)

        await self._network.submitter.peers(tell, read_number(fields, "seconds", 3.0, 3600.0))
        known = {row.peer: row for row in await self._network.known.latest(MAX_PEERS)}
        here = [row | history(known.get(peer)) for peer, row in answered.items()]
        absent = [known_row(row) | history(row) for peer, row in known.items() if peer not in answered]
        return in_lines(here + absent[:limit])

    async def _drain(self, connection: ControlConnection, _: Fields) -> None:
        await connection.send("result", {"running": self._life.running})
        self._life.happen(NodeEvent.DRAIN)  # after the answer, for a node that runs nothing ends at once

    async def _undrain(self, _: ControlConnection, __: Fields) -> Any:
        self._life.happen(NodeEvent.UNDRAIN)
        if self._life.draining:
            raise NodeStopping("the node is ending and takes no more jobs", hint="start it again: plasm start")
        return {"running": self._life.running}

    async def _run(self, connection: ControlConnection, fields: Fields) -> None:
        offer = read_offer(fields)
        asked = fields.get("require") and read_requirements(fields, offer)
        refused = asked.refusal(self._network.record()) if asked else None
        await self._service.converse(self._resources.peer, ControlJob(connection, offer, self._resources.peer), refused)


def _limit(fields: Fields) -> int:
    limit = fields.get("limit", 100)
    if type(limit) is not int or not 0 < limit <= _MAX_ROWS:
        raise InvalidInput(f"limit must be a whole number from 1 to {_MAX_ROWS}")
    return limit
