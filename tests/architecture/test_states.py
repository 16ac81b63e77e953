"""The pictures of the states are what the tables say."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from types import ModuleType

import pytest

from world import ROOT


@pytest.fixture
def states() -> ModuleType:
    """The script that draws them."""
    spec = importlib.util.spec_from_file_location("states", ROOT / "docs" / "states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_tables_give(states: ModuleType) -> None:
    page = states.PAGE.read_text()
    assert page.count("<!-- diagram of ") == page.count("stateDiagram-v2") > 0
    assert states.rendered(page) == page, "run: make diagrams"


def test_a_table_is_drawn_with_its_beginning_and_its_end(states: ModuleType) -> None:
    class State(StrEnum):
        OPEN = "open"
        BUSY = "busy"
        CLOSED = "closed"

    class Stop:
        TYPE = "stop"

    table = {
        (State.OPEN, "ask"): (State.BUSY, State.OPEN),
        (State.BUSY, "ask"): State.BUSY,
        (State.BUSY, "client", Stop): State.CLOSED,
        (State.BUSY, "gone"): State.CLOSED,
    }
    assert states.mermaid(table).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> OPEN",
        "    OPEN --> BUSY: ask",
        "    OPEN --> OPEN: ask",
        "    BUSY --> BUSY: ask",
        "    BUSY --> CLOSED: client stop, gone",
        "    CLOSED --> [*]",
    ]
