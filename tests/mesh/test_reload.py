"""An operator changes lists and limits of a node that runs: at once, not for jobs that run, and never by a mistake."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mesh.conftest import MakeJob, SeedSigner, World
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess

from plasm import Limits, Outcome
from plasm.errors import InvalidConfig, PeerNotFound
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.node.configuration import PolicyReload, ReloadableConfig
from plasm.node.policy import Policy
from world import Plasm


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


def reads(policy: Policy) -> Callable[[], PolicyReload]:
    return lambda: PolicyReload(policy)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(deny=[SeedSigner("client").peer]),
        Policy(allow=[SeedSigner("somebody").peer]),
        Policy(jobs_per_peer=0),
        Policy(offers_per_minute=0),
        Policy(limits=Limits(output=10)),
        Policy(module_bytes=100),
    ],
)
def test_each_list_and_limit_holds_from_now_on_and_back(mesh: World, job: MakeJob, hello: Path, policy: Policy) -> None:
    async def main() -> None:
        hello_job = job(hello, "x")
        needs = Requirements.of(hello_job.manifest)
        async with mesh.node() as node, mesh.client(node.record) as client:
            await client.run(hello_job, NonblockingSink(CollectingSink()), needs)
            await node.node.reload(reads(policy))
            with pytest.raises(PeerNotFound):
                await client.run(hello_job, NonblockingSink(CollectingSink()), needs)
            await node.node.reload(reads(Policy(offers_per_minute=1_000_000)))
            await _refilled(client, hello_job, needs)
        assert node.events().count("reloaded") == 2

    run(main)


async def _refilled(client: Any, job: Any, needs: Requirements) -> None:
    """A peer that may offer more again still has to wait a moment for its next offer."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                await client.run(job, NonblockingSink(CollectingSink()), needs)
            except PeerNotFound:
                continue
            return


def test_a_job_that_runs_is_not_touched(mesh: World, job: MakeJob, hello: Path) -> None:
    strict = Policy(deny=[SeedSigner("client").peer], stdin_bytes=0, limits=Limits(output=0, wall_time=1))

    async def main() -> None:
        hello_job, sink = job(hello), CollectingSink()
        async with mesh.node() as node, mesh.client(node.record) as client:
            with ReplayableInput(b"first\nsecond\n") as stdin:

                class Reloading:
                    digest = stdin.digest

                    async def chunks(self, size: int):  # type: ignore[no-untyped-def]
                        yield b"first\n"
                        await node.node.reload(reads(strict))
                        yield b"second\n"

                delivered = await client.run(
                    hello_job,
                    NonblockingSink(sink),
                    Requirements.of(hello_job.manifest),
                    stdin=Reloading(),  # type: ignore[arg-type]
                )
        assert delivered.claims.outcome == Outcome.exited(0)
        assert sink.content("stdout") == b"tsrif\ndnoces\n"

    run(main)


def test_a_mistake_is_told_and_changes_nothing(mesh: World, job: MakeJob, hello: Path) -> None:
    def broken() -> PolicyReload:
        raise InvalidConfig("config.toml:3:1: nonsense")

    async def main() -> None:
        hello_job = job(hello, "x")
        async with mesh.node() as node, mesh.client(node.record) as client:
            await node.node.reload(broken)
            await client.run(hello_job, NonblockingSink(CollectingSink()), Requirements.of(hello_job.manifest))
        (line,) = [line for line in node.log() if line["event"] == "reload-failed"]
        assert line["code"] == "invalid-config"
        assert "config.toml:3:1" in line["detail"]

    run(main)


def test_flags_and_variables_stay_above_the_file_and_what_is_not_reloaded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[policy]\njobs_per_peer = 1\noffers_per_minute = 1\nmemory = '1MiB'\n")
    environ = {"PLASM_CONFIG": str(path), "PLASM_POLICY_OFFERS_PER_MINUTE": "5"}
    source = ReloadableConfig(environ, {"policy.jobs_per_peer": ("--jobs-per-peer", 3)})
    environ["PLASM_CONFIG"] = "/dev/null"  # as a node does
    path.write_text("runtime = 'wasmer'\n[policy]\njobs_per_peer = 2\nmemory = '2MiB'\n[node]\nqueue = 1\n")
    reread = source.reload()
    assert (reread.policy.jobs_per_peer, reread.policy.offers_per_minute) == (3, 5)
    assert reread.policy.limits.memory == 2 * 2**20
    assert set(reread.ignored) == {"runtime", "node.queue"}


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        listening.bind(str(tmp_path / "notify"))
        yield listening


def test_sighup_reloads_and_garbage_is_logged_and_ignored(
    plasm: Plasm, plasm_home: Path, tmp_path: Path, systemd: socket.socket
) -> None:
    path = plasm_home / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[policy]\nmemory = '64MiB'\n")
    notify = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1", env=notify)
    assert systemd.recv(4096).startswith(b"READY=1\n")

    def offered_memory() -> int:
        done = plasm("peers", "--peer", node.address, "--json", env={"PLASM_HOME": str(tmp_path / "client")})
        return int(json.loads(done.stdout)[0]["memory"])

    assert offered_memory() == 64 * 2**20
    path.write_text("[policy]\nmemory = '32MiB'\n[node]\nqueue = 3\n")
    node.process.send_signal(signal.SIGHUP)
    (line,) = node.until("reloaded")
    assert line["ignored"] == "node.queue"
    assert systemd.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert systemd.recv(4096).startswith(b"READY=1\n")
    assert offered_memory() == 32 * 2**20
    path.write_bytes(b"\0\xff garbage")
    node.process.send_signal(signal.SIGHUP)
    (line,) = node.until("reload-failed")
    assert "config.toml" in line["detail"]
    assert systemd.recv(4096).startswith(b"RELOADING=1\n")
    assert systemd.recv(4096).startswith(b"READY=1\n")
    assert offered_memory() == 32 * 2**20
    assert node.stop() == 0
