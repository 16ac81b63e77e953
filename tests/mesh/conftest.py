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
from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm.node.node import Node, Settings
from plasm.ops.log import Log
from plasm.submission.submitter import Submitter
from world import Wasm


class SeedSigner:
    """A signer with a key that everybody knows."""

    def __init__(self, seed: str) -> None:
        self.public_key, self._secret = crypto_sign_seed_keypair(seed.encode().ljust(32, b"\0"))
        self.peer = PeerId(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return crypto_sign(message, self._secret)[:64]


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

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = MemoryNetwork()
        self._folder = folder
        self._patch = monkeypatch

    def config(self, name: str) -> Config:
        return Config.from_environment({"PLASM_HOME": str(self._folder / name)})

    def as_signer(self, host: Any, seed: str) -> None:
        """Let a plugin host know one key and this network."""
        signer = SeedSigner(seed)
        self._patch.setattr(host, "signer", lambda _=None: signer, raising=False)
        self._patch.setattr(
            host, "transport", lambda identity, _=None: MemoryTransport(self.network, signer.peer), raising=False
        )

    @asynccontextmanager
    async def node(self, seed: str = "node", **settings: Any) -> AsyncIterator[Running]:
        """A node that has this seed's key; it is drained at the end."""
        from plasm.plugins import PluginHost

        signer, network = SeedSigner(seed), self.network
        stream = io.StringIO()
        with self._patch.context() as patch:
            patch.setattr(PluginHost, "signer", lambda *_: signer)
            node = Node(self.config(seed), Settings(workers=settings.pop("workers", 1), **settings), Log(stream))
        self._patch.setattr(node._host, "transport", lambda *_: MemoryTransport(network, signer.peer), raising=False)
        ready = anyio.Event()

        def log() -> list[dict[str, Any]]:
            return [json.loads(line) for line in stream.getvalue().splitlines()]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.run, lambda _: ready.set())
            await ready.wait()
            yield Running(node, PeerRecord(signer.peer, ("/memory/1",)), log)
            node.drain()

    @asynccontextmanager
    async def client(self, *peers: PeerRecord, seed: str = "client") -> AsyncIterator[Submitter]:
        """A client that knows these peers."""
        client = MeshClient(self.config(seed), peers=peers)
        self.as_signer(client._host, seed)
        async with client as submitter:
            yield submitter


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.fixture
def job(wasm: Wasm) -> Callable[..., Job]:
    def make(module: str | Path, *args: str, limits: Limits | None = None, **manifest: Any) -> Job:
        loaded = read_module(module if isinstance(module, Path) else wasm(module))
        return Job(Manifest(loaded.digest, Invocation(args), limits or Limits(), **manifest), loaded)

    return make


MakeJob = Callable[..., Job]
