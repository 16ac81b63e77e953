"""What a runtime says of itself: its name, what it enforces and what it provides.

A runtime is only ever made in a process of its own, so one is started to ask it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from attrs import frozen

from plasm.config import Config
from plasm.errors import PlasmError, PluginError, by_code
from plasm.model import Feature, LimitKind
from plasm.plugins import PluginHost


@frozen
class Declaration:
    """The attributes of a :class:`~plasm.contracts.Runtime`."""

    name: str
    version: str
    enforces: frozenset[LimitKind]
    provides: frozenset[Feature]


def declaration_of(runtime: str) -> Declaration:
    """What the runtime plugin called ``runtime`` says of itself.

    Raises:
        PluginError: it cannot be made, or does not say it in the model's words.
    """
    program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main({runtime!r})"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=False)  # noqa: S603 - ours
    try:
        # What the plugin itself may print comes before.
        said = json.loads(done.stdout.splitlines()[-1])
        if "error" in said:
            raise by_code(said["error"])(said["message"], hint=said["hint"])
        return Declaration(
            str(said["name"]),
            str(said["version"]),
            frozenset(map(LimitKind, said["enforces"])),
            frozenset(map(Feature, said["provides"])),
        )
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise PluginError(
            f"the runtime {runtime!r} does not say what it is: {error!r}",
            hint="it needs name, version, enforces and provides, in the words of plasm.model",
        ) from None


def main(runtime: str) -> None:
    """Say it as JSON, on the last line of stdout."""
    sys.stdout.write(f"{json.dumps(_said(runtime))}\n")


def _said(runtime: str) -> Mapping[str, object]:
    try:
        made = PluginHost(Config.from_environment(os.environ)).runtime(runtime)
    except PlasmError as error:
        return {"error": error.code, "message": error.message, "hint": error.hint}
    return {
        "name": made.name,
        "version": made.version,
        "enforces": sorted(made.enforces),
        "provides": sorted(made.provides),
    }
