"""Accepting connections goes on where none could be accepted for a while, and says so once."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from plasm.ops import accepting
from plasm.ops.accepting import accept_each


def test_who_could_not_be_accepted_is_tried_again_and_told_once_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "PAUSE_SECONDS", 0)
    full = OSError(24, "Too many open files")
    coming: Iterator[object] = iter([full, full, "first", anyio.BrokenResourceError(), "second"])
    started: list[object] = []

    async def accept() -> object:
        each = next(coming, None)
        if each is None:
            await anyio.sleep_forever()
        if isinstance(each, Exception):
            raise each
        return each

    async def main() -> None:
        with anyio.CancelScope() as scope:

            def start(connection: object) -> None:
                started.append(connection)
                if connection == "second":
                    scope.cancel()

            await accept_each(accept, start, "somebody's")

    anyio.run(main, backend="trio")
    assert started == ["first", "second"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "cannot accept a connection of somebody's"
    ] * 2
