"""Repositories that are really signed, and sources and servers that lie about them in every way that we know of."""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from attrs import define, field
from tuf.api.metadata import Metadata

from plasm.config import Config
from plasm.errors import PlasmError
from plasm_boot.errors import SourceFailed
from plasm_boot.fetching.http import HttpSource, Patience
from plasm_boot.system import SYSTEM, System, SystemFile, SystemFiles
from plasm_boot.trust.keys import KeyFolder
from plasm_boot.trust.publishing import LIFETIME, Publication, publish
from plasm_boot.trust.verification import TrustedRepository, VerifiedManifest

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ROOT_EXPIRES = NOW + timedelta(days=365)
WANTED = ("stable", "x86_64", "local")
FILES = {"kernel": b"kernel " * 9000, "initramfs": b"initramfs " * 9000, "rootfs.squashfs": b"rootfs " * 90000}
HURRIED = Patience(connect=2.0, silence=0.5, minimum_rate=100_000, rate_over=0.5)


def build_system(folder: Path, *, mode: str = "local", content: Mapping[str, bytes] = FILES) -> Path:
    """A build with one mode whose files have this content."""
    system = folder / mode
    system.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (system / name).unlink(missing_ok=True)
        (system / name).write_bytes(data)
    files = SystemFiles(*(SystemFile.of(system / name) for name in ("kernel", "initramfs", "rootfs.squashfs")))
    (system / SYSTEM).write_bytes(System(mode, "x86_64", "console=ttyS0 quiet", NOW, files).to_bytes())
    return folder


@define
class Publisher:
    """Keys, a build and a repository in one folder."""

    folder: Path
    keys: KeyFolder = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = KeyFolder(self.folder / "keys", Config.from_environment(os.environ))
        self.keys.create(root_keys=3, root_threshold=2, expires=ROOT_EXPIRES, plugin="ed25519")
        build_system(self.folder / "build")

    @property
    def repository(self) -> Path:
        return self.folder / "repo"

    @property
    def root(self) -> bytes:
        return (self.folder / "keys" / "root.json").read_bytes()

    def publish(self, *, now: datetime = NOW, lifetime: timedelta = LIFETIME) -> Publication:
        build = self.folder / "build"
        return publish(build, self.repository, self.keys, "stable", now=now, lifetime=lifetime)

    def files(self) -> dict[str, bytes]:
        """Everything that is published now, by its path."""
        paths = [path for path in self.repository.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.repository)): path.read_bytes() for path in paths}

    def path_of(self, name: str) -> str:
        """Where the newest kernel, timestamp and so on is in the repository."""
        files = self.files()
        if name in {"kernel", "initramfs", "rootfs"}:
            manifest = json.loads(files[self.path_of("manifest")])
            return str(manifest["artifacts"][name]["urls"][0])
        if name == "manifest":
            (signed,) = json.loads(files[self.path_of("targets")])["signed"]["targets"].items()
            folder, _, base = signed[0].rpartition("/")
            return f"targets/{folder}/{signed[1]['hashes']['sha256']}.{base}"
        if name == "timestamp":
            return "metadata/timestamp.json"
        versions = [int(path.split("/")[1].split(".")[0]) for path in files if path.endswith(f".{name}.json")]
        return f"metadata/{max(versions)}.{name}.json"


class Shown:
    """A source in memory: ``files`` by their paths."""

    def __init__(self, files: Mapping[str, bytes], name: str = "shown") -> None:
        self.name = name
        self.files = dict(files)
        self.read_paths: list[str] = []

    def read(self, path: str, limit: int) -> bytes | None:
        self.read_paths.append(path)
        data = self.files.get(path)
        if data is not None and len(data) > limit:
            raise SourceFailed(f"{path} from {self.name} is longer than {limit} bytes")
        return data

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        data = self.files.get(path, b"")
        into.write(data[into.seek(0, os.SEEK_END) : size])
        progress(len(data))
        if len(data) != size:
            raise SourceFailed(f"{path} from {self.name} has {len(data)} bytes, not {size}")


def with_flipped_bit(data: bytes) -> bytes:
    """One bit in the middle of ``data`` is another."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def resigned(publisher: Publisher, data: bytes, change: Callable[[Any], None], role: str) -> bytes:
    """The metadata in ``data`` after ``change``, as the holder of the ``role``'s key signs it."""
    metadata: Metadata[Any] = Metadata.from_bytes(data)
    change(metadata.signed)
    metadata.signatures.clear()
    root = publisher.keys.chain()[-1][1].signed
    for key in publisher.keys.held():
        if key.id in root.roles[role].keyids:
            metadata.signatures[key.id] = key.signer.sign(metadata.signed_bytes)
    return metadata.to_bytes()


def verify(publisher: Publisher, source: Any, *, memory: Path | None = None, now: datetime = NOW) -> VerifiedManifest:
    """What a machine with the publisher's first root takes from ``source``."""
    first = publisher.keys.chain()[0][0]
    return TrustedRepository(first, memory).manifest(source, *WANTED, now=now)


class Heard:
    """A report that remembers."""

    def __init__(self) -> None:
        self.asked_of: list[tuple[str, str]] = []
        self.refusals: list[tuple[str, str, str]] = []
        self.given: dict[str, str] = {}
        self.done: dict[str, int] = {}

    def asked(self, source: str, what: str) -> None:
        self.asked_of.append((source, what))

    def refused(self, source: str, what: str, error: PlasmError) -> None:
        self.refusals.append((source, what, error.message))

    def verified(self, source: str, what: str) -> None:
        self.given[what] = source

    def progress(self, artifact: str, done: int, total: int) -> None:
        self.done[artifact] = done

    @property
    def liars(self) -> set[str]:
        return {source for source, _, _ in self.refusals}


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files`` with ranges and entity tags, less what ``server.lies`` does to some of them."""

    server: HostileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.requests.append((path, self.headers.get("Range"), self.headers.get("If-Range")))
        lie = self.server.lies.get(path)
        if lie is not None:
            lie(self, path)
        else:
            self.serve(path)

    def serve(self, path: str) -> None:
        data = self.server.files.get(path)
        if data is None:
            self.answer(404, b"")
            return
        headers = {"ETag": f'"{hash(data)}"'}
        begin, _, _ = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
        if begin and self.headers.get("If-Range") in (None, headers["ETag"]):
            start = int(begin)
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], headers)
        else:
            self.answer(200, data, headers)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.server.hung_up.set()


class HostileServer(ThreadingHTTPServer):
    """An HTTP server on the loopback interface that lies where it is told to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.lies: dict[str, Callable[[Handler, str], None]] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.hung_up = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def source(self, patience: Patience = HURRIED) -> HttpSource:
        return HttpSource(self.url, patience)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[HostileServer]:
    with HostileServer(files) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def flips_a_bit(handler: Handler, path: str) -> None:
    handler.answer(200, with_flipped_bit(handler.server.files[path]))


def has_it_not(handler: Handler, path: str) -> None:
    handler.answer(404, b"")


def never_ends(handler: Handler, path: str) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(handler.server.files[path])
    while not handler.server.released.is_set():
        handler.wfile.write(b"and more " * 4096)


def announces_too_much(handler: Handler, path: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(2**40))
    handler.end_headers()
    handler.server.released.wait(5)


def says_nothing(handler: Handler, path: str) -> None:
    handler.server.released.wait(5)


def stops_halfway(handler: Handler, path: str) -> None:
    data = handler.server.files[path]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.server.released.wait(5)


def drips(handler: Handler, path: str) -> None:
    data = handler.server.files[path]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    _one_by_one(handler, data)


def drips_its_head(handler: Handler, path: str) -> None:
    _one_by_one(handler, b"HTTP/1.1 200 OK\r\nX-Patience: " + b"x" * 60_000)


def breaks_off(handler: Handler, path: str) -> None:
    """The first half comes, then the connection is gone; a range is served in the same way, from where it begins."""
    data = handler.server.files[path]
    begin = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    handler.send_response(206 if begin else 200)
    handler.send_header("Content-Length", str(len(data) - begin))
    if begin:
        handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    handler.wfile.write(data[begin : begin + (len(data) - begin) // 2])
    handler.close_connection = True


def compresses(handler: Handler, path: str) -> None:
    handler.answer(200, handler.server.files[path], {"Content-Encoding": "gzip"})


def sends_chunks(handler: Handler, path: str) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    data = handler.server.files[path]
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))


def leads_elsewhere(handler: Handler, path: str) -> None:
    handler.answer(302, b"", {"Location": f"http://127.0.0.2:{handler.server.server_port}/{path}"})


def leads_in_circles(handler: Handler, path: str) -> None:
    handler.answer(302, b"", {"Location": f"/{path}"})


def is_broken(handler: Handler, path: str) -> None:
    handler.answer(500, b"")


def speaks_another_language(handler: Handler, path: str) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    handler.close_connection = True


def _one_by_one(handler: Handler, data: bytes) -> None:
    for byte in data:
        handler.wfile.write(bytes([byte]))
        if handler.server.released.wait(0.02):
            break


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for ``condition``, with an end."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return condition()
