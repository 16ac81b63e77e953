"""Why a runtime failed is for the node's operator, not for its clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from execution.conftest import LAX_RUNTIME, doing
from mesh.conftest import MakeJob, World

from plasm import OutcomeKind
from plasm.errors import PlasmError
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements

SECRET = "raise ValueError('a secret\\x1b[2J' + '.' * 2000 + 'the end')"


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


def test_a_client_gets_a_receipt_without_the_trace_and_the_log_has_its_end(
    mesh: World, job: MakeJob, hello: Path, plugin: Callable[..., None]
) -> None:
    plugin("plasm.runtime", "lax", doing(SECRET))

    async def main() -> None:
        async with mesh.node(runtimes=("lax",)) as node, mesh.client(node.record) as client:
            given = job(hello)
            delivered = await client.run(given, NonblockingSink(CollectingSink()), Requirements.of(given.manifest))
            assert delivered.claims.outcome.kind is OutcomeKind.CRASHED
            assert b"the end" not in delivered.receipt
        (line,) = [line for line in node.log() if line["event"] == "finished"]
        assert "the end" in line["trace"]
        assert line["trace"].isprintable()
        assert len(line["trace"]) < 1100

    run(main)


def test_a_client_that_is_refused_hears_no_trace_and_the_log_has_its_end(
    mesh: World, job: MakeJob, hello: Path, plugin: Callable[..., None]
) -> None:
    plugin("plasm.runtime", "lax", LAX_RUNTIME.replace("return module", SECRET))

    async def main() -> None:
        async with mesh.node(runtimes=("lax",)) as node, mesh.client(node.record) as client:
            given = job(hello)
            with pytest.raises(PlasmError) as told:
                await client.run(given, NonblockingSink(CollectingSink()), Requirements.of(given.manifest))
            assert "the runtime failed" in str(told.value)
            assert "the end" not in str(told.value)
            assert told.value.trace == ""
        (line,) = [line for line in node.log() if line["event"] == "failed"]
        assert "the end" in line["trace"]
        assert "the end" not in line["detail"]

    run(main)
