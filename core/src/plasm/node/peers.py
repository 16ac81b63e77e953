"""Whom this node has met: peers that proved their ids to it, and how they did by it.

Candidates that a discovery yields are nobody yet; a peer is written down when it has answered, or given us a job
(which :meth:`~plasm.node.store.Store.accepted` notes).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec

from attrs import frozen

from plasm.errors import UnwritableOutput
from plasm.model import PeerId
from plasm.node.ledger import Ledger
from plasm.node.store import PeerRow, Store
from plasm.submission.submitter import Candidate

_MAX_RUNTIMES: Final = 8
_MAX_RUNTIME_TEXT: Final = 64

P = ParamSpec("P")

_log = logging.getLogger(__name__)


@frozen
class KnownPeers:
    """The peers in ``ledger``, of the node ``own``, which is none of them.

    A :class:`~plasm.submission.submitter.Witness`.  That something cannot be written down is told in the log and
    stops nobody's job.
    """

    _own: PeerId
    _ledger: Ledger

    async def answered(self, candidate: Candidate) -> None:
        """A peer said what it offers."""
        record = candidate.record
        runtimes = [f"{each.name} {each.version}" for each in record.runtimes]
        kept = [text for text in runtimes if len(text) <= _MAX_RUNTIME_TEXT][:_MAX_RUNTIMES]
        await self._note(record.peer, Store.peer_answered, _address(candidate), record.arch, kept)

    async def delivered(self, peer: PeerId) -> None:
        """A peer ran a job of ours."""
        await self._note(peer, Store.peer_ran_job)

    async def failed(self, peer: PeerId) -> None:
        """A peer took a job of ours, and no result that verifies came of it."""
        await self._note(peer, Store.peer_failed_job)

    async def latest(self, limit: int) -> list[PeerRow]:
        """Those seen last, latest first."""
        return await self._ledger.read(Store.peers, limit)

    async def latest_reached(self, limit: int) -> list[PeerRow]:
        """Of those that we have reached at some address, those seen last, latest first."""
        return await self._ledger.read(Store.peers_with_addresses, limit)

    async def _note(
        self, peer: PeerId, write: Callable[Concatenate[Store, str, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        if peer == self._own:
            return
        try:
            await self._ledger.write(write, str(peer), *args, **kwargs)
        except UnwritableOutput as error:
            _log.warning("the peer %s is not remembered: %s", peer, error)


def _address(candidate: Candidate) -> str | None:
    """Where the peer is to be found again: the other end of the connection, unless the peer only came from there."""
    address, end = candidate.connection.address, f"/p2p/{candidate.record.peer}"
    places = {place.removesuffix(end) for place in (*candidate.found.addresses, *candidate.record.addresses)}
    return address if address.removesuffix(end) in places else None
