"""The transport: where it listens, whom it dials, and the connections that it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import trio
from libp2p.abc import IHost
from libp2p.host.basic_host import BasicHost
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from plasm.contracts import PeerRecord, Signer
from plasm.contracts.transport import StreamHandler
from plasm.errors import AddressUnavailable, InvalidInput, PeerUnreachable
from plasm.model import PeerId
from plasm_transport_quic.addresses import Carrier, Endpoint, at_interfaces, parse, with_peer
from plasm_transport_quic.carrying import Carrying, Listening
from plasm_transport_quic.connections import PeerConnection
from plasm_transport_quic.dialling import race, resolve
from plasm_transport_quic.identity import key_pair, libp2p_id, plasm_id
from plasm_transport_quic.muxing import MuxedConnection
from plasm_transport_quic.network import Listener, Network
from plasm_transport_quic.securing import AnotherPeer
from plasm_transport_quic.serving import Serving

USUAL_ADDRESSES = ("/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0")
USUAL_ADDRESSES_OF_IPV6 = ("/ip6/::/udp/0/quic-v1", "/ip6/::/tcp/0")
DIAL_SECONDS = 10
BETTER_WAY_SECONDS = 3
"""So long it is tried to reach a peer in a better way than the one in which it is connected."""
BULK_BYTES = 2**20
"""From so many on, TCP is the better way: on Ethernet it carries some twenty times as much in the same time."""


class _Attempt:
    """A peer being dialled, for all who want it."""

    def __init__(self) -> None:
        self.outcome: MuxedConnection | Exception | None = None
        self.over = trio.Event()

    async def result(self) -> MuxedConnection:
        await self.over.wait()
        if isinstance(self.outcome, MuxedConnection):
            return self.outcome
        raise self.outcome or PeerUnreachable("the transport is closed")


class Libp2pTransport:
    """Fulfils :class:`plasm.contracts.Transport`.

    Inside its ``async with`` block, ``host`` is the libp2p host, on which libp2p's services can run as well.
    """

    host: IHost

    def __init__(self, identity: Signer) -> None:
        self._peer = PeerId(identity.public_key)
        self._keys = key_pair(identity)
        self._dialling: dict[tuple[PeerRecord, bool], _Attempt] = {}

    async def __aenter__(self) -> Self:
        self._network = Network(self._keys, self._dial_for_libp2p)
        self.host = host = BasicHost(self._network)
        self._serving = Serving(host)
        self._network.set_stream_handler(self._serving.answer)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(host.run([]))
            self._nursery = nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel)
            stack.push_async_callback(self._close_connections)
            nursery.start_soon(self._network.serve, nursery)
            self._carrying = Carrying(self._keys, self._network, nursery)
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            # What goes wrong in the block is the block's: our nurseries would only wrap it.
            await self._exits.aclose()
        else:
            await self._exits.__aexit__(kind, error, trace)

    async def listen(self, addresses: Sequence[str], handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        """Accept streams; see :meth:`plasm.contracts.Transport.listen`."""
        endpoints = [self._listenable(address) for address in addresses or USUAL_ADDRESSES]
        self._serving.add(protocols, handler)
        opened = await self._open(endpoints)
        if not addresses:
            # Where the machine has no IPv6, there is nothing to be said about it.
            with suppress(AddressUnavailable):
                opened += await self._open([parse(address)[0] for address in USUAL_ADDRESSES_OF_IPV6])
        found = [endpoint for listening in opened for endpoint in at_interfaces(listening.endpoint)]
        await self._network.listens(Listener(found))
        return with_peer(found, self._peer)

    async def dial(self, record: PeerRecord, *, payload: int = 0) -> PeerConnection:
        """Connect to a peer; see :meth:`plasm.contracts.Transport.dial`."""
        return PeerConnection(await self._dial(record, bulk=payload > BULK_BYTES))

    # ---- Dialling ----

    async def _dial(self, record: PeerRecord, *, bulk: bool) -> MuxedConnection:
        if record.peer == self._peer:
            raise InvalidInput("a node does not dial itself")
        # Those who come together share the connection, or the reason why there is none.
        attempt = self._dialling.get((record, bulk))
        if attempt is None:
            attempt = self._dialling[record, bulk] = _Attempt()
            self._nursery.start_soon(self._carry_out, record, bulk, attempt)
        return await attempt.result()

    async def _carry_out(self, record: PeerRecord, bulk: bool, attempt: _Attempt) -> None:
        preferred = Carrier.TCP if bulk else Carrier.QUIC
        try:
            attempt.outcome = await self._connection(record, preferred, insist=bulk)
        except Exception as error:
            attempt.outcome = error
        finally:
            del self._dialling[record, bulk]
            attempt.over.set()

    async def _connection(self, record: PeerRecord, preferred: Carrier, *, insist: bool) -> MuxedConnection:
        """A connection, of the ``preferred`` kind if there is one; those who ``insist`` get one made beside another."""
        connections = self._network.muxed_connections(libp2p_id(record.peer))
        connected = [connection for connection in connections if connection.takes_streams]
        connected.sort(key=lambda connection: connection.endpoint.carrier is not preferred)
        candidates, reasons = self._candidates(record)
        if connected:
            better = [endpoint for endpoint in candidates if endpoint.carrier is preferred]
            if not insist or connected[0].endpoint.carrier is preferred or not better:
                return connected[0]
            found, _ = await self._connect(record.peer, better, BETTER_WAY_SECONDS)
            return found or connected[0]
        candidates.sort(key=lambda endpoint: (endpoint.carrier is not preferred, not endpoint.is_loopback))
        found, failures = await self._connect(record.peer, candidates, DIAL_SECONDS)
        if found is None:
            what = "; ".join([*reasons, *failures]) or "no address is known"
            raise PeerUnreachable(f"cannot reach {record.peer}: {what}")
        return found

    def _candidates(self, record: PeerRecord) -> tuple[list[Endpoint], list[str]]:
        """The endpoints of a record, and what is wrong with its other addresses."""
        endpoints: list[Endpoint] = []
        reasons: list[str] = []
        for address in record.addresses:
            try:
                endpoint, peer = parse(address)
            except InvalidInput as error:
                reasons.append(error.message)
            else:
                if peer in (None, record.peer):
                    endpoints.append(endpoint)
                else:
                    reasons.append(f"{address} is the address of another peer")
        return endpoints, reasons

    async def _connect(
        self, peer: PeerId, endpoints: Sequence[Endpoint], seconds: float
    ) -> tuple[MuxedConnection | None, list[str]]:
        """A new connection, or why there is none."""
        failures: dict[Endpoint, Exception] = {}
        found: MuxedConnection | None = None
        peer_id = libp2p_id(peer)

        async def connect(endpoint: Endpoint) -> MuxedConnection:
            return await self._carrying.connect(endpoint, peer_id)

        with trio.move_on_after(seconds) as patience:
            found = await race(await resolve(endpoints), connect, failures)
        reasons = [f"{endpoint}: {_reason(error)}" for endpoint, error in failures.items()]
        if found is not None:
            await self._network.add_conn(found, "outbound")
        elif patience.cancelled_caught:
            reasons.append(f"no answer within {seconds} s")
        return found, reasons

    async def _dial_for_libp2p(self, peer: ID, addresses: Iterable[Multiaddr]) -> MuxedConnection:
        return await self._dial(PeerRecord(plasm_id(peer), [str(address) for address in addresses]), bulk=False)

    # ---- Listening ----

    def _listenable(self, address: str) -> Endpoint:
        endpoint, peer = parse(address)
        if endpoint.is_name:
            raise InvalidInput(f"cannot listen at {endpoint}: it is a name", hint="give an address of this machine")
        if peer not in (None, self._peer):
            raise InvalidInput(f"cannot listen at {address}: it is the address of another peer")
        return endpoint

    async def _open(self, endpoints: Iterable[Endpoint]) -> list[Listening]:
        """Listen at all of the ``endpoints``, or at none."""
        opened: list[Listening] = []
        try:
            for endpoint in endpoints:
                opened.append(self._carrying.listen(endpoint))  # noqa: PERF401 - what was opened is to be ended
        except AddressUnavailable:
            for listening in opened:
                await listening.end()
            raise
        return opened

    # ---- The end ----

    async def _close_connections(self) -> None:
        async with trio.open_nursery() as nursery:
            for connection in self._network.muxed_connections():
                nursery.start_soon(connection.close)
        await self.host.close()


def _reason(error: Exception) -> str:
    if isinstance(error, AnotherPeer):
        return "another peer answers there"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
