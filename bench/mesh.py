"""Measures jobs on a peer against bare streams of the same transport, both in processes of their own on loopback.

python bench/mesh.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

import plasm
from plasm.contracts import ByteStream, Connection, PeerRecord, Transport
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.model import PeerId
from plasm.plugins import PluginHost
from plasm.submission.exchange import submit

ROOT = Path(__file__).parent.parent
HELLO = ROOT / "examples" / "hello" / "hello.wasm"
ECHO, DRAIN = "/bench/echo/1", "/bench/drain/1"
PAYLOAD = 50 * 2**20
ADDRESSES = {"TCP": "/ip4/127.0.0.1/tcp/0", "QUIC": "/ip4/127.0.0.1/udp/0/quic-v1"}
READS_ALL = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 20)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 1048576))
    (loop (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if 0 (i32.load (i32.const 8))))))"""


async def serve(address: str) -> None:
    """The bare side: echoes what comes on one protocol, counts what comes on the other."""

    async def handle(_: Connection, protocol: str, stream: ByteStream) -> None:
        size = 0
        while data := await stream.receive(2**18):
            size += len(data)
            if protocol == ECHO:
                await stream.send(data)
        if protocol == DRAIN:
            await stream.send(str(size).encode())
        await stream.send_eof()

    host = PluginHost.from_environment()
    signer, _ = host.signer_made_if_missing()
    async with host.transport(signer) as transport:
        print(*await transport.listen([address], handle, [ECHO, DRAIN]), flush=True)
        await anyio.sleep_forever()


@contextmanager
def process(home: str, *command: str, marker: str) -> Iterator[str]:
    """A process that tells its address; ended with the block."""
    environment = {**os.environ, "PLASM_HOME": home}
    with subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout
        try:
            address = next(line for line in running.stdout if marker in line).split()[-1]
            # What nobody reads would make it wait.
            threading.Thread(target=running.stdout.read, daemon=True).start()
            yield address
        finally:
            running.kill()


def peer(address: str) -> PeerRecord:
    return PeerRecord(PeerId.parse(address.rpartition("/")[2]), (address,))


async def in_turn(rounds: int, *subjects: Callable[[], Awaitable[object]]) -> list[list[float]]:
    """The times of each subject, all taken in turn; the first round warms up."""
    times: list[list[float]] = [[] for _ in subjects]
    for round_ in range(rounds + 1):
        for taken, subject in zip(times, subjects, strict=True):
            start = time.perf_counter()
            await subject()
            if round_:
                taken.append(time.perf_counter() - start)
    return times


def show(name: str, taken: float, reference: str, reference_taken: float, aim: str = "") -> None:
    ratio = taken / reference_taken
    print(f"{name:<44} {taken * 1e3:9.2f} ms  {ratio:5.2f}x of {reference} ({reference_taken * 1e3:.2f} ms)  {aim}")


def percentile(times: list[float], share: float) -> float:
    return statistics.quantiles(times, n=100)[round(share * 100) - 1]


async def measure(kind: str, bare: str, node: str, transport: Transport, fresh: Callable[[], Transport]) -> None:
    """Jobs on ``node`` against streams to ``bare``."""
    from wasmtime import wat2wasm

    hello = plasm.read_module(HELLO)
    job = plasm.Job(plasm.Manifest(hello.digest, plasm.Invocation(["Hello, World"])), hello)
    reader = plasm.Module.of(bytes(wat2wasm(READS_ALL)))
    drain = plasm.Job(plasm.Manifest(reader.digest), reader)
    data = os.urandom(PAYLOAD)
    to_bare, to_node = await transport.dial(peer(bare)), await transport.dial(peer(node))

    async def echo() -> None:
        stream = await to_bare.open_stream(ECHO)
        await stream.send(b"Hello, World")
        assert await stream.receive() == b"Hello, World"
        await stream.send_eof()

    async def remote_hello() -> None:
        sink = CollectingSink()
        await submit(to_node, job, NonblockingSink(sink))
        assert sink.content("stdout") == b"dlroW ,olleH\n"

    async def connect() -> None:
        async with fresh() as another:
            await another.dial(peer(bare))

    async def first_contact() -> None:
        async with fresh() as another:
            await submit(await another.dial(peer(node)), job, NonblockingSink(CollectingSink()))

    async def bare_payload() -> None:
        stream = await to_bare.open_stream(DRAIN)
        for start in range(0, PAYLOAD, 2**18):
            await stream.send(data[start : start + 2**18])
        await stream.send_eof()
        assert await stream.receive() == str(PAYLOAD).encode()

    async def job_payload() -> None:
        with ReplayableInput(data) as stdin:
            delivered = await submit(to_node, drain, NonblockingSink(CollectingSink()), stdin=stdin)
        assert delivered.claims.stdin_size == PAYLOAD

    echoes, hellos = await in_turn(200, echo, remote_hello)
    reference = f"a bare echo over {kind}"
    show(f"remote hello over {kind}, p50", percentile(hellos, 0.5), reference, percentile(echoes, 0.5), "aim 2.5x")
    show(f"remote hello over {kind}, p99", percentile(hellos, 0.99), reference, percentile(echoes, 0.99))
    connects, firsts = map(statistics.median, await in_turn(15, connect, first_contact))
    show(f"first contact over {kind}", firsts, "a bare connect", connects, "aim 6x")
    bares, jobs = map(statistics.median, await in_turn(3, bare_payload, job_payload))
    show(f"50 MiB of input over {kind}", jobs, "the bare transport", bares, "aim 1.25x")


def main() -> None:
    """Print every measurement."""
    with tempfile.TemporaryDirectory(prefix="plasm-bench-") as folder:
        os.environ["PLASM_HOME"] = f"{folder}/client"
        host = PluginHost.from_environment()
        signer, _ = host.signer_made_if_missing()

        async def measured(kind: str, bare: str, node: str) -> None:
            async with host.transport(signer) as transport:
                await measure(kind, bare, node, transport, lambda: host.transport(signer))

        for kind, address in ADDRESSES.items():
            start = ("-m", "plasm", "start", "--listen", address, "--discovery", "none")
            with (
                process(f"{folder}/bare", __file__, "serve", address, marker="/p2p/") as bare,
                process(f"{folder}/node", *start, marker="peers reach it") as node,
            ):
                anyio.run(measured, kind, bare, node, backend="trio")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        anyio.run(serve, sys.argv[2], backend="trio")
    else:
        main()
