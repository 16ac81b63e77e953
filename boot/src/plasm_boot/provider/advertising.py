"""Lets machines that boot find this provider: says by each discovery which channels it has, and where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from attrs import frozen

from plasm.contracts import ByteStream, Connection, Discovery, PeerRecord, Transport
from plasm.errors import PlasmError, PluginNotFound
from plasm.model import PeerId
from plasm.ops.log import Event, Log
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner

MAX_ADDRESSES: Final = 8
"""So many of each kind, HTTP and the transport's own, are said; a record has room for sixteen."""


@frozen
class Advertising:
    """By which discovery plugins of ``host``; ``listen`` is for the transport, where one of them speaks over it."""

    host: PluginHost
    discoveries: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()


@frozen
class Advertisement:
    """What is advertised: HTTP multiaddresses, and the keys of what is served there."""

    addresses: tuple[str, ...]
    keys: tuple[str, ...]


Advertise = Callable[[Advertisement], Awaitable[None]]


@asynccontextmanager
async def advertising(settings: Advertising, log: Log) -> AsyncIterator[Advertise]:
    """Start the discoveries; what is given makes an advertisement known in place of the former one.

    A discovery that fails is told and takes nothing else down.  The identity is one for now: a node of this machine's
    may be in the same DHT with the machine's own, and nobody trusts a provider for who it is.

    Raises:
        PlasmError: a plugin that is missing, or a transport that cannot listen.
    """
    host, signer = settings.host, EphemeralSigner()
    peer = PeerId(signer.public_key)
    async with AsyncExitStack() as network:
        transport: Transport | None = None
        reached: tuple[str, ...] = ()
        if host.needs_transport(settings.discoveries):
            transport = await network.enter_async_context(host.transport(signer))
            reached = tuple(await transport.listen(settings.listen, _nothing, []))
        working: list[tuple[str, Discovery]] = []
        for name in settings.discoveries:
            try:
                discovery: Discovery = host.discovery(name, peer, transport)
                working.append((name, await network.enter_async_context(discovery)))
            except PluginNotFound:
                raise
            except PlasmError as error:
                log.event(Event.DISCOVERY_FAILED, discovery=name, code=error.code, detail=error)
        yield partial(_advertise, working, peer, reached[:MAX_ADDRESSES], log)


async def _advertise(
    working: Sequence[tuple[str, Discovery]],
    peer: PeerId,
    reached: tuple[str, ...],
    log: Log,
    advertisement: Advertisement,
) -> None:
    # Where nothing is offered, there is nobody to be found.
    record = PeerRecord(peer, [*advertisement.addresses[:MAX_ADDRESSES], *reached] if advertisement.keys else ())
    for name, discovery in working:
        try:
            await discovery.advertise(record, advertisement.keys)
        except PlasmError as error:
            log.event(Event.DISCOVERY_FAILED, discovery=name, code=error.code, detail=error)
        else:
            log.event(Event.ADVERTISED, discovery=name)


async def _nothing(connection: Connection, protocol: str, stream: ByteStream) -> None:
    """A provider speaks no protocol of its own to peers."""
