"""This node among peers: where it listens, how it is found, and whom it hands jobs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from attrs import frozen

from plasm.contracts import Discovery, PeerRecord, Transport
from plasm.errors import PlasmError, PluginError, PluginNotFound
from plasm.mesh.capability import CapabilityRecord
from plasm.node.configuration import NodeOptions
from plasm.node.loopback import LoopbackConnection
from plasm.node.peers import KnownPeers
from plasm.node.resources import Resources
from plasm.node.revisiting import Revisiting
from plasm.node.service import JobService
from plasm.node.serving import PROTOCOLS, PeerStreams
from plasm.ops.concurrency import task_group
from plasm.ops.log import Event
from plasm.plugins import PluginHost, PluginKind
from plasm.submission.search import Finder
from plasm.submission.submitter import Submitter


@frozen
class Network:
    """What a node has to do with peers: its ``addresses``, those that it has met, and who hands jobs to them."""

    addresses: Sequence[str]
    known: KnownPeers
    submitter: Submitter
    record: Callable[[], CapabilityRecord]


async def join(
    stack: AsyncExitStack, host: PluginHost, options: NodeOptions, resources: Resources, service: JobService
) -> Network:
    """Listen, be found, and know how to find others, until ``stack`` ends.

    Raises:
        PlasmError: a plugin that is missing or fails, an address that cannot be listened at.
    """
    streams, log = PeerStreams(resources, service), resources.log
    transport: Transport = await stack.enter_async_context(host.transport(resources.signer, options.transport))
    streams.addresses = tuple(await transport.listen(options.listen, streams.serve, PROTOCOLS))
    for address in streams.addresses:
        log.event(Event.LISTENING, peer=resources.peer, address=address)
    tasks = await stack.enter_async_context(task_group())
    stack.callback(tasks.cancel_scope.cancel)
    own = LoopbackConnection(resources.peer, streams.serve, tasks)
    known = KnownPeers(resources.peer, resources.ledger)
    revisiting = Revisiting(known, transport, tasks, lambda: service.policy.deny)
    finders: list[Finder] = [revisiting, *await _advertise(stack, host, options, transport, streams, resources)]
    runtimes = host.names(PluginKind.RUNTIME)
    submitter = Submitter(transport, finders, own=own, witness=known, runtimes=runtimes)
    return Network(streams.addresses, known, submitter, streams.record)


async def _advertise(
    stack: AsyncExitStack,
    host: PluginHost,
    options: NodeOptions,
    transport: Transport,
    streams: PeerStreams,
    resources: Resources,
) -> list[Discovery]:
    """Make this node known by every discovery, and return those that work; one that fails is told and takes nothing
    else down."""
    working, log = [], resources.log
    for name in options.discoveries:
        try:
            discovery: Discovery = host.discovery(name, resources.peer, transport)
        except PluginNotFound:
            raise
        except PluginError as error:
            log.event(Event.DISCOVERY_FAILED, discovery=name, code=error.code, detail=error)
            continue
        try:
            await stack.enter_async_context(discovery)
            await discovery.advertise(PeerRecord(resources.peer, streams.addresses), streams.record().keys())
        except PlasmError as error:
            log.event(Event.DISCOVERY_FAILED, discovery=name, code=error.code, detail=error)
        else:
            working.append(discovery)
            log.event(Event.ADVERTISED, discovery=name)
    return working
