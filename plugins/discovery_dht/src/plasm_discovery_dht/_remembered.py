"""The peers of the DHT that this node knew last, in a file: with them it begins anew, whoever else has gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput
from plasm.files import write_atomically
from plasm.model import PeerId
from plasm_discovery_dht._addresses import MAX_ADDRESSES, info_of

MAX_PEERS = 128
_MAX_FILE_BYTES = 2**20

_log = logging.getLogger(__name__)


def load(path: Path) -> list[PeerRecord]:
    """The peers in the file at ``path``; what in it cannot be used is left out, and none is no error."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        document = json.loads(content) if len(content) <= _MAX_FILE_BYTES else None
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        _log.info("cannot read the peers in %s: %s", path, error)
        return []
    peers = document.get("peers") if isinstance(document, dict) else None
    entries = list(peers.items())[:MAX_PEERS] if isinstance(peers, dict) else []
    return [record for record in (_record(peer, addresses) for peer, addresses in entries) if record]


def save(path: Path, peers: Iterable[PeerRecord]) -> None:
    """Keep the first of ``peers``; where they cannot be written, the next start has to do without."""
    kept = {str(record.peer): record.addresses for record in list(peers)[:MAX_PEERS]}
    try:
        write_atomically(path, json.dumps({"peers": kept}, indent=1).encode())
    except OSError as error:
        _log.info("cannot keep the peers in %s: %s", path, error)


def _record(peer: str, addresses: object) -> PeerRecord | None:
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        return None
    try:
        record = PeerRecord(PeerId.parse(peer), addresses[:MAX_ADDRESSES])
        info_of(record)
    except InvalidInput:
        return None
    return record
