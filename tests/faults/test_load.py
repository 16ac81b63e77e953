"""More than a node can take: everybody is answered, others are served, and its memory stays what it was."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from mesh.processes import TCP, NodeProcess
from mesh.test_hostile import resident

from plasm import Invocation, Job, Manifest, NodeClient, read_module
from plasm.contracts import Connection, PeerRecord
from plasm.control.client import ControlClient
from plasm.errors import PeerRejected, PlasmError
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.model import PeerId
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from plasm.submission.exchange import submit
from world import Plasm

pytestmark = pytest.mark.once

MANY = 500
CONNECTIONS = 5
MORE_BYTES = 64 * 2**20


@pytest.fixture
def node(plasm_home: Path, request: pytest.FixtureRequest) -> Iterator[NodeProcess]:
    """A node of this user's; its options come from the test."""
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", *getattr(request, "param", ()))
    yield node
    assert node.stop() == 0
    assert "warning" not in node.events()


def reverse(hello: Path, *words: str) -> Job:
    module = read_module(hello)
    return Job(Manifest(module.digest, Invocation(words)), module)


@pytest.mark.parametrize("node", [("--workers", "2", "--jobs-per-peer", "1")], indirect=True)
def test_hundreds_of_jobs_of_one_peer_are_answered_and_another_peer_is_served(
    plasm: Plasm, hello: Path, node: NodeProcess, plasm_home: Path
) -> None:
    """The one job that is taken waits for input until all others have been turned away and somebody else was served."""
    job, answers = reverse(hello), Counter[str]()
    turned_away = threading.Event()
    from_us, to_job = os.pipe()

    async def ask(connection: Connection) -> None:
        sink = CollectingSink()
        try:
            await submit(connection, job, NonblockingSink(sink), stdin=given)
        except PeerRejected as error:
            answers[error.message.rpartition(" ")[2]] += 1
            if answers.total() == MANY - 1:
                turned_away.set()
        else:
            answers["delivered"] += 1
            assert sink.content("stdout") == b"gnol os\n"

    async def others() -> None:
        await anyio.to_thread.run_sync(turned_away.wait, abandon_on_cancel=True)
        elsewhere = {"PLASM_HOME": str(plasm_home.with_name("client"))}
        arguments = ("submit", hello, "abc", "--peer", node.address, "--quiet")
        done = await anyio.to_thread.run_sync(lambda: plasm(*arguments, env=elsewhere))
        os.write(to_job, b"so long\n")
        os.close(to_job)
        assert done.stdout == b"cba\n", done.stderr

    async def main() -> None:
        host, signer = PluginHost.from_environment(), EphemeralSigner()
        record = PeerRecord(PeerId.parse(node.peer), (node.address,))
        async with AsyncExitStack() as transports:
            connections = [
                await (await transports.enter_async_context(host.transport(signer))).dial(record)
                for _ in range(CONNECTIONS)
            ]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(others)
                for connection in connections * (MANY // CONNECTIONS):
                    tasks.start_soon(ask, connection)

    before = resident(node)
    with ReplayableInput(from_us) as given:
        anyio.run(main, backend="trio")
    os.close(from_us)
    assert answers == {"queue-full": MANY - 1, "delivered": 1}
    assert resident(node) < before + MORE_BYTES


@pytest.mark.parametrize("node", [("--workers", "1", "--queue", "50")], indirect=True)
def test_hundreds_of_the_owners_jobs_are_answered(
    plasm: Plasm, hello: Path, node: NodeProcess, plasm_home: Path
) -> None:
    job, answers = reverse(hello, "abc"), Counter[str]()
    path, lock = plasm_home / "run" / "control.sock", threading.Lock()

    def ask(client: ControlClient) -> None:
        sink = CollectingSink()
        try:
            NodeClient(connect=lambda: client).run(job, sink)
            answer = sink.content("stdout").decode()
        except PlasmError as error:
            answer = error.code
        with lock:
            answers[answer] += 1

    before = resident(node)
    with ExitStack() as clients:
        threads = [
            threading.Thread(target=ask, args=(clients.enter_context(ControlClient(path)),)) for _ in range(MANY)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers.total() == MANY
    assert answers.keys() <= {"cba\n", "peer-rejected", "queue-full"}
    assert answers["cba\n"] > 0
    assert resident(node) < before + MORE_BYTES
    assert plasm("submit", hello, "abc", "--quiet").stdout == b"cba\n"


@pytest.mark.parametrize("node", [("--workers", "1", "--queue", "2", "--jobs-per-peer", "1000")], indirect=True)
def test_a_queue_that_fills_while_a_job_is_accepted_is_no_failure_of_the_job(hello: Path, node: NodeProcess) -> None:
    """Whoever comes a moment too late is turned away like anybody else, and may go to another peer."""
    job, answers = reverse(hello, "abc"), Counter[str]()

    async def ask(connection: Connection) -> None:
        try:
            await submit(connection, job, NonblockingSink(CollectingSink()))
            answers["delivered"] += 1
        except PeerRejected:
            answers["rejected"] += 1

    async def main() -> None:
        host = PluginHost.from_environment()
        async with host.transport(EphemeralSigner()) as transport:
            connection = await transport.dial(PeerRecord(PeerId.parse(node.peer), (node.address,)))
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(ask, connection)

    anyio.run(main, backend="trio")
    assert answers.total() == 100
    assert answers["delivered"] > 0
