"""What a node counts, and the page that it is served on: to scrapers, and to whoever else connects."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from mesh.conftest import MakeJob, Running, SeedSigner, World
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess
from prometheus_client.parser import text_string_to_metric_families

from jobs import EXIT, LOOP
from plasm import Limits
from plasm.errors import AddressUnavailable, InvalidModule, PeerNotFound
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.node.configuration import PolicyReload
from plasm.node.policy import Policy
from plasm.node.tally import Tally
from plasm.ops.metrics_page import MAX_CONNECTIONS, MAX_REQUEST_BYTES, MetricsPage
from plasm.submission.submitter import Submitter
from world import Plasm, plasm_environment

pytestmark = pytest.mark.once

ANYWHERE = "127.0.0.1:0"


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


class Samples:
    """The samples of one page, by name and the values of their labels."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, *labels: str) -> float:
        return self._values[(name, *labels)]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as page:
        return page.read().decode()  # type: ignore[no-any-return]


async def scraped(node: Running) -> Samples:
    (url,) = [line["address"] for line in node.log() if line["event"] == "metrics"]
    return Samples(await anyio.to_thread.run_sync(fetch, url))


def test_jobs_offers_and_bytes_are_counted(mesh: World, job: MakeJob, hello: Path) -> None:
    async def main() -> None:
        async with mesh.node(metrics=ANYWHERE) as node, mesh.client(node.record) as client:

            async def have_run(module: Any, *arguments: str, limits: Limits | None = None) -> None:
                made = job(module, *arguments, limits=limits)
                await client.run(made, NonblockingSink(CollectingSink()), Requirements.of(made.manifest))

            before = await scraped(node)
            assert before("plasm_jobs_total", "exited") == 0
            await have_run(hello, "x")
            await have_run(EXIT % 3)
            await have_run(LOOP, limits=Limits(wall_time=100))
            with pytest.raises(InvalidModule):
                await have_run('(module (func (export "add")))')
            await node.node.reload(lambda: PolicyReload(Policy(deny=[SeedSigner("client").peer])))
            with pytest.raises(PeerNotFound):
                await have_run(hello, "x")
            after = await scraped(node)
        assert after("plasm_jobs_total", "exited") == 2
        assert after("plasm_jobs_total", "timed-out") == 1
        assert after("plasm_jobs_total", "failed") == 1
        assert after("plasm_offers_total") == 5
        assert after("plasm_rejections_total", "not-authorised") == 1
        assert after("plasm_rejections_total", "draining") == 0
        assert after("plasm_job_duration_seconds_count") == 3
        assert after("plasm_job_duration_seconds_bucket", "+Inf") == 3
        assert after("plasm_job_duration_seconds_bucket", "0.05") == 2
        assert after("plasm_job_duration_seconds_sum") >= 0.1
        assert after("plasm_received_bytes_total") > hello.stat().st_size
        assert after("plasm_sent_bytes_total") > 3000
        assert after("plasm_worker_restarts_total", "wasmtime") >= 1  # an interrupted worker is not used again
        assert after("plasm_workers", "wasmtime") == 1
        assert (after("plasm_jobs_running"), after("plasm_jobs_waiting"), after("plasm_draining")) == (0, 0, 0)

    run(main)


async def until(node: Running, event: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while event not in node.events():
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def endless_job(node: Running, client: Submitter, job: MakeJob) -> AsyncIterator[None]:
    """While a client has the node run a job without an end; then the client goes."""
    loop = job(LOOP, limits=Limits(wall_time=600_000))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(client.run, loop, NonblockingSink(CollectingSink()), Requirements.of(loop.manifest)))
        await until(node, "accepted")
        yield
        tasks.cancel_scope.cancel()


def test_running_and_draining_are_seen(mesh: World, job: MakeJob) -> None:
    async def main() -> None:
        async with (
            mesh.node(metrics=ANYWHERE) as node,
            mesh.client(node.record) as client,
            endless_job(node, client, job),
        ):
            node.node.drain()
            await until(node, "draining")
            seen = await scraped(node)
        assert (seen("plasm_jobs_running"), seen("plasm_draining"), seen("plasm_peers")) == (1, 1, 1)

    run(main)


def test_a_job_whose_client_goes_is_counted_too(mesh: World, job: MakeJob) -> None:
    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client, endless_job(node, client, job):
            pass
        tally = node.node._service.tally
        assert dict(tally.jobs) == {"gone": 1}
        assert tally.peers == 0

    run(main)


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (3600.0, 11), (3601.0, 12)])
def test_a_bucket_has_its_bound_in_it(seconds: float, bucket: int) -> None:
    tally = Tally()
    tally.ran(seconds)
    assert tally.durations[bucket] == 1 == sum(tally.durations)


def test_metrics_are_off_and_not_imported_unless_asked_for() -> None:
    code = "import sys, plasm.node.node, plasm.cli.commands.start; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=plasm_environment(), capture_output=True, check=True)
    assert done.stdout == b"False\n"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_an_operator_turns_them_on(plasm_home: Path, how: str) -> None:
    options = ["--metrics", ANYWHERE] if how == "option" else []
    env = {} if options else {"PLASM_METRICS_LISTEN": "[::1]:0" if socket.has_dualstack_ipv6() else ANYWHERE}
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1", *options, env=env)
    (line,) = node.until("metrics")
    text = fetch(line["address"])
    assert Samples(text)("process_open_fds") > 0
    assert "plasm_build_info{version=" in text
    assert node.stop() == 0


def test_only_a_loopback_address_is_taken(plasm: Plasm) -> None:
    done = plasm("start", "--metrics", "0.0.0.0:9464")
    assert done.returncode == 125
    assert b"loopback" in done.stderr


def test_a_port_that_is_taken_is_told(plasm: Plasm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = plasm("start", "--listen", TCP, "--discovery", "none", "--workers", "1", "--metrics", address)
    assert done.returncode == 125
    assert b"error[address-unavailable]" in done.stderr
    assert address.encode() in done.stderr


@contextmanager
def page() -> Iterator[tuple[str, int]]:
    """A page that says ``metrics``; its address."""

    async def serve(*, task_status: anyio.abc.TaskStatus[int]) -> None:
        made = MetricsPage(ANYWHERE, lambda: b"metrics", "text/plain")
        listener, _ = await made.listen()
        task_status.started(listener.extra(anyio.abc.SocketAttribute.local_port))
        await made.serve(listener)

    with anyio.from_thread.start_blocking_portal("trio") as portal:
        served, port = portal.start_task(serve)
        yield "127.0.0.1", port
        served.cancel()


def answer(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        return connection.makefile("rb").read()


@pytest.mark.parametrize(
    ("request_", "status", "ending"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"200", b"\r\n\r\nmetrics"),
        (b"GET /metrics?name[]=up HTTP/1.0\r\n\r\n", b"200", b"\r\n\r\nmetrics"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200", b"\r\n\r\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405", b"\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404", b"/metrics.\n"),
        (b"\0\xff\r\n\r\n", b"404", b"/metrics.\n"),
        (b"GET /" + b"x" * MAX_REQUEST_BYTES, b"431", b"\r\n\r\n"),
    ],
)
def test_what_is_asked_is_answered(request_: bytes, status: bytes, ending: bytes) -> None:
    with page() as address:
        answered = answer(address, request_)
    assert answered.split(b" ")[1] == status
    assert answered.endswith(ending)
    assert b"Connection: close" in answered


def test_those_who_connect_and_say_nothing_do_not_pile_up() -> None:
    with page() as address:
        silent = [socket.create_connection(address, PATIENCE_SECONDS) for _ in range(MAX_CONNECTIONS)]
        assert answer(address, b"") == b""  # one too many is closed at once
        for connection in silent:
            connection.close()
        while not (answered := answer(address, b"GET /metrics HTTP/1.1\r\n\r\n")):
            pass
        assert answered.endswith(b"metrics")


def test_a_scraper_that_goes_takes_nothing_down() -> None:
    with page() as address:
        # Often enough to meet each step of an answer.
        for said in (b"", b"GET /met", b"GET /metrics HTTP/1.1\r\n\r\n") * 100:
            with socket.create_connection(address, PATIENCE_SECONDS) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset on close
                connection.sendall(said)
        assert answer(address, b"GET /metrics HTTP/1.1\r\n\r\n").endswith(b"metrics")


def test_a_page_needs_an_address_of_its_own() -> None:
    async def main() -> None:
        first, _ = await MetricsPage(ANYWHERE, bytes, "text/plain").listen()
        port = first.extra(anyio.abc.SocketAttribute.local_port)
        async with first:
            with pytest.raises(AddressUnavailable, match="in use"):
                await MetricsPage(f"127.0.0.1:{port}", bytes, "text/plain").listen()

    run(main)
