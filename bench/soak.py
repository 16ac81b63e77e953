"""Keeps a node under load for an hour, a tenth of it hostile, and says every minute what the node holds.

SOAK_SECONDS=60 python bench/soak.py

Ends with status 1 where the node's memory or descriptors have grown by more than a tenth since it was warm, where it
does not serve any more, or where it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from attrs import frozen
from mesh import HELLO, peer

import plasm
from plasm.contracts import Connection, PeerRecord
from plasm.errors import PlasmError
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh import JOB_PROTOCOL
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from plasm.submission.exchange import submit

SECONDS: Final = float(os.environ.get("SOAK_SECONDS", "3600"))
REPORTS: Final = 6  # at least so many; the first one is taken for warm
GROWTH: Final = 1.1
SPARE_DESCRIPTORS: Final = 16  # a job that happens to run holds some
JOBS_A_CONNECTION: Final = 200
HOSTILE_EVERY: Final = 10
GIVES_UP_SECONDS: Final = 0.01
CLIENTS: Final = 2
TRAP = '(module (memory (export "memory") 1) (func (export "_start") unreachable))'
LOOP = '(module (memory (export "memory") 1) (func (export "_start") (loop br 0)))'
GREEDY = """(module (memory (export "memory") 1)
  (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))"""


Attack = Callable[[Connection], Awaitable[None]]


@frozen
class Held:
    """What a process holds."""

    memory: int
    descriptors: int

    @classmethod
    def by(cls, pid: int) -> Held:
        folder = Path(f"/proc/{pid}")
        pages = int((folder / "statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir())))

    def outgrows(self, warm: Held) -> bool:
        """Whether this is more than a tenth above what it was."""
        return self.memory > warm.memory * GROWTH or self.descriptors > warm.descriptors * GROWTH + SPARE_DESCRIPTORS

    def __str__(self) -> str:
        return f"{self.memory / 2**20:7.1f} MiB  {self.descriptors:4} descriptors"


class Load:
    """Two clients, each with one job after another; ``count`` has what became of them."""

    def __init__(self, node: PeerRecord) -> None:
        from wasmtime import wat2wasm

        self._node = node
        self.count: Counter[str] = Counter()
        hello = plasm.read_module(HELLO)
        self._good = plasm.Job(plasm.Manifest(hello.digest, plasm.Invocation(["Hello, World"])), hello)
        limits = plasm.Limits(wall_time=200)
        bad = {text: plasm.Module.of(bytes(wat2wasm(text))) for text in (TRAP, LOOP, GREEDY)}
        self._bad = {
            text: plasm.Job(plasm.Manifest(module.digest, limits=limits), module) for text, module in bad.items()
        }
        often: list[Attack] = [*(partial(self._harm, text) for text in bad), self._give_up]
        # Who talks nonsense five times is not listened to any more; a client has less of it on each connection.
        self._attacks = [*often, *often, self._talk_nonsense]

    async def client(self) -> None:
        """Send jobs until cancelled, over a new connection now and then, as a new peer each time."""
        host = PluginHost.from_environment()
        while True:
            attacks = cycle(self._attacks)
            async with host.transport(EphemeralSigner()) as transport:
                connection = await transport.dial(self._node)
                for number in range(JOBS_A_CONNECTION):
                    if number % HOSTILE_EVERY:
                        await self._deliver(connection)
                    else:
                        self.count["hostile"] += 1
                        await next(attacks)(connection)

    async def _deliver(self, connection: Connection) -> None:
        sink = CollectingSink()
        await submit(connection, self._good, NonblockingSink(sink))
        if sink.content("stdout") != b"dlroW ,olleH\n":
            raise PlasmError("the node gives another output")
        self.count["good"] += 1

    async def _give_up(self, connection: Connection) -> None:
        with anyio.move_on_after(GIVES_UP_SECONDS):
            await self._harm(LOOP, connection)

    async def _talk_nonsense(self, connection: Connection) -> None:
        stream = await connection.open_stream(JOB_PROTOCOL)
        try:
            await stream.send(b"\x05noise" * 100)
            while await stream.receive():
                pass
        except anyio.BrokenResourceError:
            pass

    async def _harm(self, text: str, connection: Connection) -> None:
        await submit(connection, self._bad[text], NonblockingSink(CollectingSink()))


async def watch(pid: int, load: Load, say: Callable[[str], None]) -> bool:
    """Whether the process ``pid`` holds, at the end, what it held when it was warm."""
    started, every = time.monotonic(), min(60.0, SECONDS / REPORTS)
    warm: Held | None = None
    while True:
        await anyio.sleep(every)
        elapsed, held = time.monotonic() - started, Held.by(pid)
        good, hostile = load.count["good"], load.count["hostile"]
        say(f"{elapsed:6.0f} s  {held}  {good:7} jobs  {hostile:6} hostile")
        if warm is None:
            warm = held
        elif elapsed >= SECONDS - 1:
            return not held.outgrows(warm)


@contextmanager
def node(home: str) -> Iterator[tuple[str, int]]:
    """A node's address and process; it is ended with the block."""
    start = [sys.executable, "-m", "plasm", "start", "--listen", "/ip4/127.0.0.1/tcp/0", "--discovery", "none"]
    environment = {**os.environ, "PLASM_HOME": home}
    with subprocess.Popen(start, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        try:
            address = next(line for line in running.stderr if "peers reach it" in line).split()[-1]
            reader = threading.Thread(target=deque, args=(running.stderr, 0))
            reader.start()
            yield address, running.pid
        finally:
            running.terminate()
        reader.join()


async def soak(address: str, pid: int) -> bool:
    """Whether the node stands it."""
    load, stands = Load(peer(address)), False
    async with anyio.create_task_group() as tasks:
        for _ in range(CLIENTS):
            tasks.start_soon(load.client)
        stands = await watch(pid, load, partial(print, flush=True))
        tasks.cancel_scope.cancel()
    return stands


def main() -> int:
    """Print what the node holds; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="plasm-soak-") as folder:
        os.environ["PLASM_HOME"] = f"{folder}/client"
        with node(f"{folder}/node") as (address, pid):
            stands = anyio.run(soak, address, pid, backend="trio")
    print("the node holds no more than when it was warm" if stands else "the node has grown by more than a tenth")
    return 0 if stands else 1


if __name__ == "__main__":
    sys.exit(main())
