"""Repositories made on the fly, and providers that serve them on the loopback interface, in a thread of the test's."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path

import anyio
import trio
from attrs import define, evolve

from plasm.ops.log import Log
from plasm.plugins import PluginHost
from plasm_boot.manifest import Artifact, BootManifest
from plasm_boot.provider.addresses import HostPort
from plasm_boot.provider.advertising import Advertising
from plasm_boot.provider.provider import Provider, ProviderSettings

PATIENCE_S = 30
CONTENT = bytes(range(256)) * 16


@define
class Repository:
    """A repository's folder; nothing in it is signed, for a provider does not care."""

    path: Path
    artifact: str = ""

    def publish(self, channel: str = "stable", arch: str = "x86_64", mode: str = "local", version: int = 1) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        file = Artifact(f"sha256:{self.artifact}", len(CONTENT), (f"artifacts/{self.artifact}",))
        manifest = BootManifest(
            version, channel, arch, mode, now, now + timedelta(days=9), file, file, file, "quiet"
        ).to_bytes()
        folder = self.path / "targets" / channel / arch / mode
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{hashlib.sha256(manifest).hexdigest()}.manifest.json").write_bytes(manifest)
        timestamp = self.path / "metadata" / "timestamp.json"
        pending = timestamp.with_name(".pending")
        pending.write_text(f'{{"publication": "{os.urandom(8).hex()}"}}')
        pending.replace(timestamp)

    def add(self, content: bytes) -> str:
        """The name of a new artifact."""
        digest = hashlib.sha256(content).hexdigest()
        (self.path / "artifacts" / digest).write_bytes(content)
        return digest


def repository(path: Path) -> Repository:
    """One with one artifact and one system in it."""
    for folder in ("metadata", "targets", "artifacts"):
        (path / folder).mkdir(parents=True)
    made = Repository(path)
    made.artifact = made.add(CONTENT)
    (path / "metadata" / "1.root.json").write_text('{"root": 1}')
    made.publish()
    return made


@define
class Answer:
    """What came back: the status, the headers by their lower-case names, and the body as far as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@define
class Served:
    """A provider at work."""

    port: int
    log: io.StringIO
    begin_to_stop: Callable[[], None]
    wait_for_the_end: Callable[[], None]

    def connect(self) -> socket.socket:
        """A connection that waits no longer than a test should."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for ``path`` as it is written here; in the names of headers, ``_`` stands for ``-``."""
        lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return self.say("\r\n".join([*lines, "", ""]).encode("latin-1"), method)

    def say(self, request: bytes, method: str = "GET") -> Answer:
        """Send ``request`` and hear the answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return hear(connection, method)


def hear(connection: socket.socket, method: str = "GET") -> Answer:
    """One answer."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def settings(path: Path) -> ProviderSettings:
    """Those of a provider that nobody but the test finds, and that the test may ask as often as it likes."""
    advertising = Advertising(PluginHost.from_environment())
    return ProviderSettings(path, HostPort("127.0.0.1", 0), advertising, requests_per_minute=10_000_000)


@contextmanager
def serving(path: Path, **changes: object) -> Iterator[Served]:
    """A provider of the repository at ``path``; at the end of the block it stops."""
    log = io.StringIO()
    provider = Provider(evolve(settings(path), **changes), Log(log, readable=False))
    ready, made = threading.Event(), list[HostPort]()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        tokens.append(trio.lowlevel.current_trio_token())

        def tell(endpoints: Sequence[HostPort]) -> None:
            made.extend(endpoints)
            ready.set()

        await provider.run(tell)

    def begin_to_stop() -> None:
        with suppress(trio.RunFinishedError):
            tokens[0].run_sync_soon(provider.stop)

    def wait_for_the_end() -> None:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the provider does not stop"

    thread = threading.Thread(target=lambda: anyio.run(main, backend="trio"), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S), log.getvalue()
    try:
        yield Served(made[0].port, log, begin_to_stop, wait_for_the_end)
    finally:
        begin_to_stop()
        wait_for_the_end()
