"""The world of these tests: nodes and clients with keys of their own on a network in memory."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import frozen
from mesh.network import MemoryNetwork, MemoryTransport
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from plasm import Invocation, Job, Limits, Manifest, read_module
from plasm.client.mesh import MeshClient
from plasm.config import Config
from plasm.contracts import PeerRecord, Signer, Transport
from plasm.model import PeerId
from plasm.node.configuration import NodeOptions
from plasm.node.node import Node
from plasm.ops.log import Log
from plasm.plugins import PluginHost
from plasm.submission.submitter import Submitter
from world import Wasm


class SeedSigner:
    """A signer with a key that everybody knows."""

    def __init__(self, seed: str) -> None:
        self.public_key, self._secret = crypto_sign_seed_keypair(seed.encode().ljust(32, b"\0"))
        self.peer = PeerId(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return crypto_sign(message, self._secret)[:64]


class MeshHost(PluginHost):
    """The plugins of somebody who has this seed's key, and whose transport is ``network``."""

    def __init__(self, config: Config, network: MemoryNetwork, seed: str) -> None:
        super().__init__(config)
        self._network = network
        self.own = SeedSigner(seed)

    def signer(self, name: str | None = None) -> Signer:
        return self.own

    def transport(self, identity: Signer, name: str | None = None) -> Transport:
        return MemoryTransport(self._network, self.own.peer)


@frozen
class Running:
    """A node at work."""

    node: Node
    record: PeerRecord
    log: Callable[[], list[dict[str, Any]]]

    def events(self) -> list[str]:
        return [line["event"] for line in self.log()]


class World:
    """A network, and the ways onto it."""

    def __init__(self, folder: Path) -> None:
        self.network = MemoryNetwork()
        self._folder = folder

    def config(self, name: str) -> Config:
        return Config.from_environment({"PLASM_HOME": str(self._folder / name)})

    def host(self, seed: str) -> MeshHost:
        return MeshHost(self.config(seed), self.network, seed)

    @asynccontextmanager
    async def node(self, seed: str = "node", **settings: Any) -> AsyncIterator[Running]:
        """A node that has this seed's key; it is drained at the end."""
        host, stream = self.host(seed), io.StringIO()
        node = Node(host, NodeOptions(workers=settings.pop("workers", 1), **settings), Log(stream))
        ready = anyio.Event()

        def log() -> list[dict[str, Any]]:
            return [json.loads(line) for line in stream.getvalue().splitlines()]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.run, lambda _: ready.set())
            await ready.wait()
            yield Running(node, PeerRecord(node.peer, ("/memory/1",)), log)
            node.drain()

    @asynccontextmanager
    async def client(self, *peers: PeerRecord, seed: str = "client") -> AsyncIterator[Submitter]:
        """A client that knows these peers."""
        async with MeshClient(host=self.host(seed), peers=peers) as submitter:
            yield submitter


@pytest.fixture
def mesh(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def job(wasm: Wasm) -> Callable[..., Job]:
    def make(module: str | Path, *args: str, limits: Limits | None = None, **manifest: Any) -> Job:
        loaded = read_module(module if isinstance(module, Path) else wasm(module))
        return Job(Manifest(loaded.digest, Invocation(args), limits or Limits(), **manifest), loaded)

    return make


MakeJob = Callable[..., Job]
