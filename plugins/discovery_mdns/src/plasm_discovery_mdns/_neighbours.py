"""Who has been heard on the local network, within bounds that no stranger can move.

Kept by instance name, for a peer that started anew has a new one and its old one may linger.  A name may have several
TXT records: js-libp2p sends one for each address.  Where the table is full, the name that was heard longest ago goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from attrs import frozen

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm_discovery_mdns._txt import MAX_ADDRESSES

MAX_NAMES = 256
MAX_AGE_S = 75 * 60.0
_MAX_RECORDS_OF_NAME = MAX_ADDRESSES


@frozen
class _Heard:
    """Until when a record holds, and which systems its peer has; without any, nothing is known of that."""

    until: float
    systems: frozenset[str]


class Neighbours:
    """What was said under each name and until when it holds; filled from one thread and read from another."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, dict[PeerRecord, _Heard]] = {}

    def hear(
        self,
        name: str,
        records: Iterable[PeerRecord],
        lifetime: float,
        *,
        all_of_them: bool,
        systems: frozenset[str] = frozenset(),
    ) -> None:
        """Remember what ``name`` said; where that is all that it has to say, in the place of what it said before."""
        new = dict.fromkeys(records, _Heard(self._clock() + min(lifetime, MAX_AGE_S), systems))
        with self._lock:
            before = self._heard.pop(name, {})
            kept = new if all_of_them else before | new
            if kept:
                self._heard[name] = dict(list(kept.items())[-_MAX_RECORDS_OF_NAME:])
            if len(self._heard) > MAX_NAMES:
                del self._heard[next(iter(self._heard))]

    def forget(self, name: str, record: PeerRecord | None = None) -> None:
        """Forget ``record``, or all that ``name`` said."""
        with self._lock:
            left = self._heard.get(name, {})
            left.pop(record, None) if record else left.clear()
            if not left:
                self._heard.pop(name, None)

    def records(self, system: str | None = None) -> list[PeerRecord]:
        """A record for each peer, with all addresses that hold, those first that were heard last; of those only who
        may have ``system``, if it is given."""
        now = self._clock()
        addresses: dict[PeerId, dict[str, None]] = {}
        with self._lock:
            for said in reversed(self._heard.values()):
                for record, heard in said.items():
                    if heard.until > now and (system is None or not heard.systems or system in heard.systems):
                        addresses.setdefault(record.peer, {}).update(dict.fromkeys(record.addresses))
        return [PeerRecord(peer, list(those)[:MAX_ADDRESSES]) for peer, those in reversed(addresses.items())]
