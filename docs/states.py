"""Draws the state machines of :file:`states.md` from their tables in the code.

Where the page says ``<!-- diagram of MODULE.NAME -->``, what follows up to ``<!-- end -->`` is made from that table: a
mapping of a state and what happens in it, ``(state, *event)``, to the state that follows, or to those that may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("states.md")
_PLACE = re.compile(r"(<!-- diagram of ([\w.]+)\.(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Table = Mapping[tuple[Any, ...], Any]


def rendered(page: str) -> str:
    """``page`` with each diagram as its table has it now."""

    def diagram(place: re.Match[str]) -> str:
        table: Table = getattr(import_module(place[2]), place[3])
        return f"{place[1]}\n```mermaid\n{mermaid(table)}\n```\n\n{place[4]}"

    return _PLACE.sub(diagram, page)


def mermaid(table: Table) -> str:
    """``table`` as a state diagram of Mermaid.  A state to which no other leads is a beginning, one that leads to no
    other is an end."""
    arrows: dict[tuple[Any, Any], list[str]] = {}
    for here, label, there in _arrows(table):
        arrows.setdefault((here, there), []).append(label)
    entered = {there for here, there in arrows if here is not there}
    left = {here for here, there in arrows if here is not there}
    states = list(dict.fromkeys(state for arrow in arrows for state in arrow))
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.name}" for state in states if state not in entered]
    lines += [f"    {here.name} --> {there.name}: {', '.join(labels)}" for (here, there), labels in arrows.items()]
    lines += [f"    {state.name} --> [*]" for state in states if state not in left]
    return "\n".join(lines)


def _arrows(table: Table) -> Iterator[tuple[Any, str, Any]]:
    for (here, *event), following in table.items():
        for there in (following,) if isinstance(following, Enum) else following:
            yield here, _label(event), there


def _label(event: Iterable[Any]) -> str:
    """What happens, in the words of the protocol: the values of enumerations, the types of messages."""
    return " ".join(str(part.value if isinstance(part, Enum) else getattr(part, "TYPE", part)) for part in event)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
