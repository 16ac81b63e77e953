"""Extensions on a node: whatever one does, peers, their jobs and the node's metrics and answers go on."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import anyio
import anyio.to_thread
import pytest
from mesh.conftest import MakeJob, World

from plasm import Invocation, Job, Outcome
from plasm.contracts import JobEvent
from plasm.control.address import SOCKET_NAME
from plasm.control.client import ControlClient
from plasm.errors import PeerNotFound
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.model import Manifest, PeerId, sha256_hex
from plasm.node.extensions import ADMISSION_THREADS, NodeExtensions
from plasm.ops.log import Log
from plasm.submission.submitter import Submitter

Extension = Callable[[str, str], ModuleType]

WAITING = """
import threading
entered, go_on, heard = threading.Semaphore(0), threading.Event(), []
def wait():
    entered.release()
    assert go_on.wait(60)
"""
ADMITS_WHEN_TOLD = (
    WAITING
    + """
@hookimpl
def plasm_admit_job(manifest):
    if "wait" in manifest.invocation.args: wait()
"""
)
HEARS_WHEN_TOLD = (
    WAITING
    + """
@hookimpl
def plasm_job_event(event, outcome):
    wait()
    heard.append((event, outcome))
@hookimpl
def plasm_receipt_issued(receipt): heard.append(("receipt", len(receipt) > 100))
"""
)
FAILS = """
@hookimpl
def plasm_job_event(event): raise RuntimeError("not " + event)
@hookimpl
def plasm_receipt_issued(receipt): raise SystemExit(3)
"""


@pytest.fixture
def extension(plugin: Callable[..., None]) -> Extension:
    """Installs an extension; gives its module, which the node imports as well."""

    def install(name: str, source: str) -> ModuleType:
        plugin("plasm.extension", name, f"from plasm.hookspecs import hookimpl\nPLASM_HOOK_API = 1\n{source}")
        module = f"third_party_plasm_plugin_test_{name}"
        sys.modules.pop(module, None)
        return __import__(module)

    return install


def run(main: Callable[[], Any]) -> None:
    anyio.run(main, backend="trio")


async def run_job(client: Submitter, job: Job, stdin: ReplayableInput | None = None) -> Outcome:
    return (await client.run(job, NonblockingSink(CollectingSink()), Requirements(), stdin=stdin)).claims.outcome


async def ask(mesh: World, request: str) -> Any:
    """The answer of the node's control socket."""

    def answer() -> Any:
        with closing(ControlClient(mesh.config("node").runtime_dir / SOCKET_NAME)) as client:
            return client.ask(request)

    return await anyio.to_thread.run_sync(answer)


def test_while_an_extension_decides_the_node_serves_others(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    gate = extension("thinks", ADMITS_WHEN_TOLD)

    async def main() -> None:
        async with (
            mesh.node(workers=2) as node,
            mesh.client(node.record) as client,
            mesh.client(node.record, seed="other") as other,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(run_job, client, job(hello, "wait"))
            await anyio.to_thread.run_sync(gate.entered.acquire)
            assert await run_job(other, job(hello, "x")) == Outcome.exited(0)
            status = await ask(mesh, "status")
            assert {"name": "thinks", "version": "1.0"} in status["extensions"]
            assert "finished" in node.events()
            gate.go_on.set()
        assert node.events().count("finished") == 2

    run(main)


def test_a_job_that_is_admitted_when_the_node_drains_already_is_not_taken(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    gate = extension("thinks_long", ADMITS_WHEN_TOLD)
    from_us, to_job = os.pipe()  # what keeps a job, and with it the node, until we are done

    async def turned_away(client: Submitter) -> None:
        with pytest.raises(PeerNotFound, match="draining"):
            await run_job(client, job(hello, "wait"))
        os.close(to_job)

    async def main() -> None:
        async with (
            mesh.node() as node,
            mesh.client(node.record) as client,
            mesh.client(node.record, seed="other") as other,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(run_job, other, job(hello), given)
            while "accepted" not in node.events():
                await anyio.sleep(0.01)
            tasks.start_soon(turned_away, client)
            await anyio.to_thread.run_sync(gate.entered.acquire)
            node.node.drain()
            while "draining" not in node.events():
                await anyio.sleep(0.01)
            gate.go_on.set()
        assert node.events().count("accepted") == 1

    with ReplayableInput(from_us) as given:
        run(main)
    os.close(from_us)


def test_an_extension_that_does_not_decide_in_time_refuses_by_its_name(mesh: World, extension: Extension) -> None:
    gate = extension("hangs", ADMITS_WHEN_TOLD)
    log = io.StringIO()
    extensions = NodeExtensions(mesh.host("node"), Log(log), seconds=0.01)
    asked = Manifest(sha256_hex(b""), Invocation(["wait"]))

    async def main() -> None:
        for _ in range(ADMISSION_THREADS + 1):  # the last one does not even get a thread
            refusal = await extensions.refusal(asked, PeerId(bytes(32)))
            assert refusal == "the extension 'hangs' did not decide within 0.01 s"

    try:
        run(main)
    finally:
        gate.go_on.set()
    assert extensions.failures == {("hangs", "plasm_admit_job"): ADMISSION_THREADS + 1}
    assert (
        json.loads(log.getvalue().splitlines()[0]).items()
        >= {
            "event": "plugin-failed",
            "plugin": "hangs",
            "distribution": "plasm-plugin-test 1.0",
            "hook": "plasm_admit_job",
        }.items()
    )


def test_a_stranger_does_not_read_how_an_extension_failed(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    extension("leaks", "@hookimpl\ndef plasm_admit_job(): raise ValueError('/a/secret')")

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            with pytest.raises(PeerNotFound, match="the extension 'leaks' failed to decide") as refused:
                await run_job(client, job(hello, "x"))
            assert "secret" not in str(refused.value)
            (failed,) = [line for line in node.log() if line["event"] == "plugin-failed"]
            assert "ValueError: /a/secret" in failed["detail"]

    run(main)


def test_an_extension_that_is_slow_to_hear_delays_no_job_and_hears_of_all_in_order(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    slow = extension("listens_slowly", HEARS_WHEN_TOLD)

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            for _ in range(2):
                assert await run_job(client, job(hello, "x")) == Outcome.exited(0)
            assert slow.heard == []
            slow.go_on.set()

    run(main)
    done = Outcome.exited(0)
    assert slow.heard == [("started", None), ("finished", done), ("receipt", True)] * 2
    assert all(isinstance(event, JobEvent) for event, _ in slow.heard if event != "receipt")


def test_an_observer_that_fails_costs_no_peer_its_job_and_is_counted(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    extension("fails", FAILS)

    async def main() -> None:
        async with mesh.node(metrics="127.0.0.1:0") as node, mesh.client(node.record) as client:
            assert await run_job(client, job(hello, "x")) == Outcome.exited(0)
            while node.events().count("plugin-failed") < 3:
                await anyio.sleep(0.01)
            (url,) = [line["address"] for line in node.log() if line["event"] == "metrics"]
            page = (await anyio.to_thread.run_sync(urlopen, url)).read().decode()
            assert 'plasm_plugin_failures_total{hook="plasm_job_event",plugin="fails"} 2.0' in page
            assert 'plasm_plugin_failures_total{hook="plasm_receipt_issued",plugin="fails"} 1.0' in page
        failed = [(line["plugin"], line["hook"]) for line in node.log() if line["event"] == "plugin-failed"]
        assert failed == [("fails", "plasm_job_event")] * 2 + [("fails", "plasm_receipt_issued")]

    run(main)


def test_whatever_a_hook_raises_ends_neither_its_thread_nor_the_node(
    mesh: World, job: MakeJob, hello: Path, extension: Extension
) -> None:
    extension(
        "interrupts",
        """
class Odd(BaseException): pass
@hookimpl
def plasm_admit_job(manifest):
    if "no" in manifest.invocation.args: raise KeyboardInterrupt
@hookimpl
def plasm_job_event(event): raise KeyboardInterrupt
@hookimpl
def plasm_receipt_issued(receipt): raise Odd("end")
""",
    )

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            with pytest.raises(PeerNotFound, match="the extension 'interrupts' failed to decide"):
                await run_job(client, job(hello, "no"))
            assert await run_job(client, job(hello, "x")) == Outcome.exited(0)
        failed = [(line["hook"], line["detail"]) for line in node.log() if line["event"] == "plugin-failed"]
        assert [hook for hook, _ in failed] == ["plasm_admit_job", *["plasm_job_event"] * 2, "plasm_receipt_issued"]
        assert "KeyboardInterrupt" in failed[0][1]
        assert "Odd: end" in failed[-1][1]

    run(main)


DISCOVERY = """
from plasm.hookspecs import hookimpl
PLASM_HOOK_API = 1
class Made:
    async def __aenter__(self): return self
    async def __aexit__(self, *_): pass
    async def advertise(self, record, capabilities): pass
    async def find(self, capability):
        return
        yield
class Faulty(Made):
    {}
@hookimpl
def plasm_discovery(): return {}
"""


@pytest.mark.parametrize(
    ("body", "made", "why"),
    [
        ("async def __aenter__(self): 1 / 0", "Faulty()", "failed in __aenter__: ZeroDivisionError"),
        ("async def advertise(self, *_): 1 / 0", "Faulty()", "failed in advertise: ZeroDivisionError"),
        ("pass", "1 / 0", "failed in plasm_discovery: ZeroDivisionError"),
        ("pass", "None", "what plasm_discovery returned is nothing"),
    ],
)
def test_a_discovery_that_fails_is_told_and_the_node_goes_on(
    mesh: World, job: MakeJob, hello: Path, plugin: Callable[..., None], body: str, made: str, why: str
) -> None:
    sys.modules.pop("third_party_plasm_plugin_test_lost", None)
    plugin("plasm.discovery", "lost", DISCOVERY.format(body, made))

    async def main() -> None:
        async with mesh.node(discoveries=("lost",)) as node, mesh.client(node.record) as client:
            (failed,) = [line for line in node.log() if line["event"] == "discovery-failed"]
            assert (failed["discovery"], failed["code"]) == ("lost", "plugin-failed")
            assert why in failed["detail"]
            assert await run_job(client, job(hello, "x")) == Outcome.exited(0)

    run(main)
