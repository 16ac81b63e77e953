"""Whom this node has met: peers that proved their ids to it, and how they did by it.

Candidates that a discovery yields are nobody yet; a peer is written down when it has answered, or given us a job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from attrs import frozen

from plasm.errors import UnwritableOutput
from plasm.model import PeerId
from plasm.node.store import PeerRow, Store
from plasm.submission.submitter import Candidate

MAX_RUNTIMES: Final = 8
_MAX_RUNTIME_TEXT: Final = 64

_log = logging.getLogger(__name__)


@frozen
class KnownPeers:
    """The peers in ``store``, of the node ``own``, which is none of them.

    A :class:`~plasm.submission.submitter.Witness`.  That something cannot be written down is told in the log and
    stops nobody's job.
    """

    _own: PeerId
    _store: Store

    def answered(self, candidate: Candidate) -> None:
        """A peer said what it offers."""
        record = candidate.record
        runtimes = [f"{each.name} {each.version}" for each in record.runtimes]
        kept = [text for text in runtimes if len(text) <= _MAX_RUNTIME_TEXT][:MAX_RUNTIMES]
        self._note(record.peer, lambda peer: self._store.peer_answered(peer, _address(candidate), record.arch, kept))

    def delivered(self, peer: PeerId) -> None:
        """A peer ran a job of ours."""
        self._note(peer, self._store.peer_ran_job)

    def failed(self, peer: PeerId) -> None:
        """A peer took a job of ours, and no result that verifies came of it."""
        self._note(peer, self._store.peer_failed_job)

    def gave_job(self, peer: PeerId) -> None:
        """A peer gave us a job, which we took."""
        self._note(peer, self._store.peer_gave_job)

    def latest(self, limit: int) -> list[PeerRow]:
        """Those seen last, latest first."""
        return self._store.peers(limit)

    def latest_reached(self, limit: int) -> list[PeerRow]:
        """Of those that we have reached at some address, those seen last, latest first."""
        return self._store.peers_with_addresses(limit)

    def _note(self, peer: PeerId, write: Callable[[str], None]) -> None:
        if peer == self._own:
            return
        try:
            write(str(peer))
        except UnwritableOutput as error:
            _log.warning("the peer %s is not remembered: %s", peer, error)


def _address(candidate: Candidate) -> str | None:
    """Where the peer is to be found again: the other end of the connection, unless the peer only came from there."""
    address, end = candidate.connection.address, f"/p2p/{candidate.record.peer}"
    places = {place.removesuffix(end) for place in (*candidate.found.addresses, *candidate.record.addresses)}
    return address if address.removesuffix(end) in places else None
