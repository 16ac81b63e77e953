"""Mistakes of Plasm's own while it answers its owner: told, logged, and nobody else's business."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from plasm.control.access import Access
from plasm.control.client import ControlClient
from plasm.control.server import ControlConnection, ControlSocket, Fields
from plasm.errors import InternalError, PlasmError, ProtocolViolation
from plasm.ops.concurrency import beside


async def stall(_: ControlConnection, __: Fields) -> None:
    raise TimeoutError


async def stumble(_: ControlConnection, __: Fields) -> None:
    raise KeyError("a mistake")


async def answer(_: ControlConnection, __: Fields) -> str:
    return "an answer"


def test_an_answer_that_goes_wrong_takes_no_other_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "run" / "control.sock"
    control = ControlSocket(path, {"stall": stall, "stumble": stumble, "answer": answer}, Access())

    def ask(what: str) -> object:
        with ControlClient(path) as client:
            try:
                return client.ask(what)
            except PlasmError as error:
                return type(error)

    async def main() -> list[object]:
        listener = await control.listen()

        async def ask_all() -> list[object]:
            return [await anyio.to_thread.run_sync(ask, what) for what in ("stall", "stumble", "answer")]

        return await beside(ask_all, partial(control.serve, listener))

    assert anyio.run(main, backend="trio") == [ProtocolViolation, InternalError, "an answer"]
    (warning,) = caplog.records
    assert warning.exc_info
