"""Which distributions some distributions need, at the very versions that are installed here; reads metadata only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from attrs import frozen
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from plasm_boot.errors import BuildFailed


@frozen(order=True)
class Wheel:
    """A distribution at a version.  ``source`` is the folder that it is installed from, editable, or the wheel that it
    came from; without one it comes from an index."""

    name: str
    version: str
    source: Path | None = None

    @property
    def requirement(self) -> str:
        """It, as installers take it."""
        return f"{self.name}=={self.version}"


# What markers are told about the image; everything else is as it is here: Linux, CPython.
IMAGE: Final[Mapping[str, str]] = {"python_version": "3.11", "python_full_version": "3.11.2"}


def closure(names: Iterable[str], without: Iterable[str] = (), machine: str = "x86_64") -> tuple[Wheel, ...]:
    """The distributions ``names`` and all that they need on a ``machine``, but ``without`` and what these alone need.

    Raises:
        BuildFailed: one of them is not installed here.
    """
    marks = dict(IMAGE, platform_machine=machine)
    left_out = {canonicalize_name(name) for name in without}
    found: dict[str, Wheel] = {}
    extras: dict[str, set[str]] = {}
    todo = [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        new = {"", *wanted.extras} - extras.get(name, set())
        if name in left_out or not new:
            continue
        extras.setdefault(name, set()).update(new)
        distribution = _installed(name)
        found[name] = Wheel(name, distribution.version, _source(distribution))
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if any(_applies(requirement, extra, marks) for extra in new):
                todo.append(requirement)
    return tuple(sorted(found.values()))


def _applies(requirement: Requirement, extra: str, marks: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**marks, "extra": extra})


def _installed(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise BuildFailed(f"{name} is needed in the image and not installed here", hint=f"pip install {name}") from None


def _source(distribution: metadata.Distribution) -> Path | None:
    """PEP 610: where it was installed from, if not from an index."""
    text = distribution.read_text("direct_url.json")
    if text is None:
        return None
    url: dict[str, Any] = json.loads(text)
    parts = urlsplit(url["url"])
    path = Path(unquote(parts.path))
    return path if parts.scheme == "file" and path.exists() else None
