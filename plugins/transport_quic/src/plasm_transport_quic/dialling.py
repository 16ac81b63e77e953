"""Several ways to one peer: they race, each with a small head start before the next, and the first to arrive wins."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping

import trio
from attrs import evolve

from plasm_transport_quic.addresses import Carrier, Endpoint
from plasm_transport_quic.muxing import MuxedConnection

HEAD_START_SECONDS = 0.1

_NAME_FAMILIES = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}


async def race(
    endpoints: Iterable[Endpoint],
    connect: Callable[[Endpoint], Awaitable[MuxedConnection]],
    failures: MutableMapping[Endpoint, Exception],
) -> MuxedConnection | None:
    """A connection to the first of the ``endpoints`` that answers, if any does; why others did not is kept in
    ``failures``.

    One that fails lets the next one start at once.
    """
    winner: MuxedConnection | None = None

    async def attempt(endpoint: Endpoint, failed: trio.Event) -> None:
        nonlocal winner
        try:
            connection = await connect(endpoint)
        except Exception as error:  # libp2p's layers let many kinds through
            failures[endpoint] = error
            failed.set()
        else:
            if winner is None:
                winner = connection
                nursery.cancel_scope.cancel()
            else:
                await connection.close()

    async with trio.open_nursery() as nursery:
        for endpoint in endpoints:
            failed = trio.Event()
            nursery.start_soon(attempt, endpoint, failed)
            with trio.move_on_after(HEAD_START_SECONDS):
                await failed.wait()
    return winner


async def resolve(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints with names replaced by what they stand for; a name that stands for nothing is left out."""
    resolved: dict[Endpoint, None] = {}
    for endpoint in endpoints:
        if not endpoint.is_name:
            resolved[endpoint] = None
            continue
        kind = socket.SOCK_DGRAM if endpoint.carrier is Carrier.QUIC else socket.SOCK_STREAM
        try:
            found = await trio.socket.getaddrinfo(
                endpoint.host, endpoint.port, family=_NAME_FAMILIES[endpoint.network], type=kind
            )
        except OSError:
            continue
        for family, *_, name in found:
            network = "ip6" if family == socket.AF_INET6 else "ip4"
            resolved[evolve(endpoint, network=network, host=str(name[0]))] = None
    return list(resolved)
