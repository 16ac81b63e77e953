"""A node that drains by its owner's will: it says so and for how long, and it can be told to go on."""

from __future__ import annotations

import json
import platform
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mesh.conftest import MakeJob, Running, World
from mesh.test_node import Waits, _Held

from plasm.control.client import ControlClient
from plasm.errors import NodeNotRunning, NodeStopping, PeerNotFound, PlasmError
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import CapabilityRecord, Requirements
from plasm.model.manifest import canonical
from plasm.node.resources import Load
from plasm.submission.submitter import Submitter


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


async def ask(mesh: World, request: str, **fields: Any) -> Any:
    def asked() -> Any:
        with ControlClient(mesh.config("node").runtime_dir / "control.sock") as client:
            return client.ask(request, **fields)

    return await anyio.to_thread.run_sync(asked)


@asynccontextmanager
async def held(client: Submitter, job: Any) -> AsyncIterator[None]:
    """A job that runs for as long as the block."""
    sink, release = Waits(), anyio.Event()
    with ReplayableInput(b"first\n") as stdin:
        waiting: Any = _Held(stdin, release)

        async def wait() -> None:
            await client.run(job, NonblockingSink(sink), Requirements.of(job.manifest), stdin=waiting)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await sink.running.wait()
            yield
            release.set()


async def run_one(client: Submitter, job: Any) -> None:
    await client.run(job, NonblockingSink(CollectingSink()), Requirements.of(job.manifest))


async def drained(node: Running) -> None:
    while "draining" not in node.events():
        await anyio.lowlevel.checkpoint()


def test_a_drain_is_undone_as_long_as_a_job_runs(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node(workers=2) as node, mesh.client(node.record) as client:
            async with held(client, job(hello)):
                assert await ask(mesh, "drain") == {"running": 1}
                await drained(node)
                status = await ask(mesh, "status")
                assert (status["state"], status["draining"], status["running"]) == ("draining", True, 1)
                assert 0 <= status["draining_s"] <= status["uptime_s"]
                with pytest.raises(PeerNotFound, match="draining"):
                    await run_one(client, job(hello, "x"))
                assert await ask(mesh, "undrain") == {"running": 1}
                await run_one(client, job(hello, "x"))
            await run_one(client, job(hello, "x"))
            status = await ask(mesh, "status")
            assert (status["state"], status["draining"], status["draining_s"]) == ("ready", False, None)
            assert await ask(mesh, "undrain") == {"running": 0}, "a node that takes jobs goes on doing so"
        assert [event for event in node.events() if event in {"draining", "undrained", "stopped"}] == [
            "draining",
            "undrained",
            "draining",
            "stopped",
        ]

    run(main)


def test_a_node_that_was_told_to_stop_is_not_kept(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            async with held(client, job(hello)):
                node.node.stop()
                with pytest.raises(NodeStopping):
                    await ask(mesh, "undrain")
                assert (await ask(mesh, "status"))["state"] == "stopping"
            with anyio.fail_after(60):
                while "stopped" not in node.events():
                    await anyio.sleep(0.01)
            with pytest.raises(NodeNotRunning):
                await ask(mesh, "undrain")

    run(main)


def test_who_has_to_wait_is_told_for_about_how_long(mesh: World, job: MakeJob, hello: Path) -> None:
    told: list[int] = []

    async def chosen(_: CapabilityRecord, starts_in_ms: int) -> None:
        told.append(starts_in_ms)

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:

            async def one() -> None:
                asked = job(hello, "x")
                needs = Requirements.of(asked.manifest)
                await client.run(asked, NonblockingSink(CollectingSink()), needs, chosen=chosen)

            await one()
            async with held(client, job(hello)), anyio.create_task_group() as tasks:
                tasks.start_soon(one)
                while len(told) < 2:
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        assert told[0] == 0, "a worker was free"
        assert told[1] > 0

    run(main)


@pytest.mark.parametrize(
    ("load", "starts_in_ms"),
    [
        (Load(workers=2, jobs=0, mean_s=1.0), 0),
        (Load(workers=2, jobs=1, mean_s=1.0), 0),
        (Load(workers=2, jobs=2, mean_s=1.0), 500),
        (Load(workers=2, jobs=5, mean_s=1.0), 2000),
        (Load(workers=1, jobs=9, mean_s=0.0), 0),
    ],
)
def test_the_wait_is_estimated_from_the_jobs_before_and_how_long_the_last_ones_took(
    load: Load, starts_in_ms: int
) -> None:
    assert load.starts_in_ms() == starts_in_ms


def test_an_architecture_that_the_owner_asks_for_and_the_node_has_not_is_a_reason(
    mesh: World, job: MakeJob, hello: Path
) -> None:
    async def main() -> None:
        async with mesh.node() as node:
            offered = job(hello, "x")
            request = {
                "manifest": json.loads(canonical(offered.manifest)),
                "module": {"sha256": offered.module.digest, "size": len(offered.module.data)},
                "nonce": "ab" * 32,
            }

            def ask_to_run(arch: str) -> tuple[str, str]:
                with ControlClient(mesh.config("node").runtime_dir / "control.sock") as client:
                    client.send("request", {"do": "run", "require": {"arch": arch}, **request})
                    try:
                        return client.receive()[0], ""
                    except PlasmError as error:
                        return error.code, error.message

            code, message = await anyio.to_thread.run_sync(ask_to_run, "pdp11")
            assert (code, message) == ("peer-rejected", "the node does not take the job: arch-mismatch")
            (line,) = [line for line in node.log() if line["event"] == "rejected"]
            assert line["reason"] == "arch-mismatch"
            assert (await anyio.to_thread.run_sync(ask_to_run, platform.machine()))[0] == "send"

    run(main)
