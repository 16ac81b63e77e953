"""How many connections strangers may have, and how many may be about to say who they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from plasm_transport_quic.muxing import MuxedConnection
from plasm_transport_quic.network import Network

MOST_CONNECTIONS = 256
MOST_OF_ONE_PEER = 8
MOST_HANDSHAKES = 64
MOST_HANDSHAKES_OF_ONE_HOST = 16


class ConnectionLimits:
    """Counts; where all is taken, a connection that nobody uses makes room for a new one."""

    def __init__(self, network: Network, close: Callable[[MuxedConnection], None]) -> None:
        self._network = network
        self._close = close
        self._handshakes: Counter[str] = Counter()

    def enter(self, host: str) -> bool:
        """Whether ``host`` may begin a handshake; :meth:`leave` is to be called at its end then."""
        if (
            self._handshakes.total() >= MOST_HANDSHAKES
            or self._handshakes[host] >= MOST_HANDSHAKES_OF_ONE_HOST
            or not self._room()
        ):
            return False
        self._handshakes[host] += 1
        return True

    def leave(self, host: str) -> None:
        """A handshake of ``host`` is over."""
        self._handshakes[host] -= 1
        if not self._handshakes[host]:
            del self._handshakes[host]

    def may_stay(self, connection: MuxedConnection) -> bool:
        """Whether a connection may be kept, now that it is known whose it is."""
        return len(self._network.muxed_connections(connection.peer_id)) < MOST_OF_ONE_PEER

    def _room(self) -> bool:
        connections = [connection for connection in self._network.muxed_connections() if connection.takes_streams]
        if len(connections) + self._handshakes.total() < MOST_CONNECTIONS:
            return True
        unused = [connection for connection in connections if connection.idle_since is not None]
        if not unused:
            return False
        self._close(min(unused, key=lambda connection: connection.idle_since or 0.0))
        return True
