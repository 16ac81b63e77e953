"""A node takes jobs that its operator allows, runs them, and signs; a client believes what verifies."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mesh.conftest import MakeJob, SeedSigner, World

from jobs import EXIT, FLOOD, LOOP
from plasm import Limits, Outcome, OutcomeKind
from plasm.errors import InvalidModule, PeerNotFound
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.node.policy import Policy


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


def needs(job: Any) -> Requirements:
    return Requirements.of(job.manifest)


def test_a_job_comes_back_with_a_receipt_of_the_node(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            sink, hello_job = CollectingSink(), job(hello, "Grüße, 世界")
            delivered = await client.run(hello_job, NonblockingSink(sink), needs(hello_job))
            assert sink.content("stdout").decode() == "界世 ,eßürG\n"
            assert delivered.peer == SeedSigner("node").peer
            assert delivered.claims.outcome == Outcome.exited(0)
            assert delivered.claims.manifest == hello_job.manifest.digest()
        assert node.events()[-2:] == ["draining", "stopped"]
        assert [event for event in node.events() if event in {"offered", "accepted", "finished"}] == [
            "offered",
            "accepted",
            "finished",
        ]
        kept = sqlite3.connect(mesh.config("node").state_dir / "node.sqlite").execute("SELECT receipt FROM receipts")
        assert kept.fetchall() == [(delivered.receipt,)]

    run(main)


def test_a_module_travels_once(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            for _ in range(3):
                hello_job = job(hello, "x")
                await client.run(hello_job, NonblockingSink(CollectingSink()), needs(hello_job))
        assert [line["cached"] for line in node.log() if line["event"] == "accepted"] == [False, True, True]

    run(main)


@pytest.mark.parametrize("size", [0, 1, 10 * 2**20])
def test_input_of_every_size_arrives_and_is_in_the_receipt(mesh: World, job: MakeJob, hello: Path, size: int) -> None:
    data = b"0123456789abcde\n" * (size // 16) + b"x" * (size % 16)

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            sink, hello_job = CollectingSink(), job(hello)
            with ReplayableInput(data) as stdin:
                delivered = await client.run(hello_job, NonblockingSink(sink), needs(hello_job), stdin=stdin)
            assert delivered.claims.stdin == hashlib.sha256(data).hexdigest()
            assert delivered.claims.stdin_size == size
            assert sink.content("stdout") == b"edcba9876543210\n" * (size // 16) + b"x" * (size % 16)

    run(main)


def test_input_that_nobody_reads_does_not_hold_up_the_end(mesh: World, job: MakeJob) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            exits = job(EXIT % 3)
            with ReplayableInput(bytes(5 * 2**20)) as stdin:
                delivered = await client.run(exits, NonblockingSink(CollectingSink()), needs(exits), stdin=stdin)
            assert delivered.claims.outcome == Outcome.exited(3)

    run(main)


@pytest.mark.parametrize(
    ("text", "limits", "kind"),
    [
        (LOOP, Limits(wall_time=100), OutcomeKind.TIMED_OUT),
        (LOOP, Limits(fuel=1000), OutcomeKind.OUT_OF_FUEL),
        (FLOOD, Limits(output=100_000), OutcomeKind.OUTPUT_LIMIT),
        ('(module (func (export "_start") unreachable))', Limits(), OutcomeKind.TRAPPED),
    ],
)
def test_every_outcome_travels(mesh: World, job: MakeJob, text: str, limits: Limits, kind: OutcomeKind) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            ending = job(text, limits=limits)
            assert (
                await client.run(ending, NonblockingSink(CollectingSink()), needs(ending))
            ).claims.outcome.kind is kind

    run(main)


def test_a_module_that_cannot_run_is_told_with_its_own_error(mesh: World, job: MakeJob) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            library = job('(module (func (export "add")))')
            with pytest.raises(InvalidModule, match="_start"):
                await client.run(library, NonblockingSink(CollectingSink()), needs(library))

    run(main)


@pytest.mark.parametrize(
    ("policy", "limits", "reason"),
    [
        (Policy(deny=[SeedSigner("client").peer]), Limits(), "not-authorised"),
        (Policy(allow=[SeedSigner("somebody").peer]), Limits(), "not-authorised"),
        (Policy(limits=Limits(output=10)), Limits(), "insufficient-resources"),
        (Policy(module_bytes=100), Limits(), "insufficient-resources"),
        (Policy(offers_per_minute=0), Limits(), "queue-full"),
        (Policy(jobs_per_peer=0), Limits(), "queue-full"),
    ],
)
def test_what_the_operator_does_not_allow_is_rejected_with_the_reason(
    mesh: World, job: MakeJob, hello: Path, policy: Policy, limits: Limits, reason: str
) -> None:
    async def main() -> None:
        async with mesh.node(policy=policy) as node, mesh.client(node.record) as client:
            refused = job(hello, "x", limits=limits)
            with pytest.raises(PeerNotFound, match=reason):
                await client.run(refused, NonblockingSink(CollectingSink()), needs(refused))
        assert "rejected" in node.events()
        assert "accepted" not in node.events()

    run(main)


def test_a_requirement_that_is_not_met_is_not_even_offered(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            hello_job = job(hello, "x")
            with pytest.raises(PeerNotFound, match="architecture"):
                await client.run(
                    hello_job, NonblockingSink(CollectingSink()), Requirements.of(hello_job.manifest, arch="riscv64")
                )
        assert "offered" not in node.events()

    run(main)


class Waits(CollectingSink):
    """Tells when output has come."""

    def __init__(self) -> None:
        super().__init__()
        self.running = anyio.Event()

    def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
        self.running.set()
        return super().write(stream, data)  # type: ignore[arg-type]


def test_cancelling_resets_the_stream_and_the_node_kills_the_job(mesh: World, job: MakeJob) -> None:
    endless = Limits(output=2**30, wall_time=600_000)

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            sink, flood = Waits(), job(FLOOD, limits=endless)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(client.run, flood, NonblockingSink(sink), needs(flood)))
                await sink.running.wait()
                tasks.cancel_scope.cancel()
        assert "gone" in node.events()
        assert "finished" not in node.events()

    run(main)


def test_a_node_that_drains_finishes_what_runs_and_takes_nothing_new(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node(workers=2) as node, mesh.client(node.record) as client:
            hello_job, long = job(hello), job(hello)
            with ReplayableInput(b"first\n") as stdin:
                sink = Waits()

                async def first() -> None:
                    delivered = await client.run(long, NonblockingSink(sink), needs(long), stdin=_Held(stdin, release))  # type: ignore[arg-type]
                    assert delivered.claims.outcome == Outcome.exited(0)

                release = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(first)
                    await sink.running.wait()
                    node.node.drain()
                    await anyio.lowlevel.checkpoint()
                    with pytest.raises(PeerNotFound, match="draining"):
                        await client.run(hello_job, NonblockingSink(CollectingSink()), needs(hello_job))
                    release.set()
            assert sink.content("stdout") == b"tsrif\n"
        assert node.events()[-1] == "stopped"

    run(main)


class _Held:
    """An input whose end does not come before an event."""

    def __init__(self, stdin: ReplayableInput, release: anyio.Event) -> None:
        self._stdin, self._release = stdin, release
        self.digest = stdin.digest

    async def chunks(self, size: int):  # type: ignore[no-untyped-def]
        async for part in self._stdin.chunks(size):
            yield part
        await self._release.wait()
