"""The JSON document of ``plasm run --json`` and ``plasm submit --json``."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from plasm.jobs.sinks import CollectingSink
from plasm.model import Outcome, PeerId, Usage
from plasm.ops.console import show_json


class Ended(NamedTuple):
    """What is told of a job that has ended, and of the node that ran it."""

    job_id: str
    node: PeerId
    outcome: Outcome
    usage: Usage
    truncated: tuple[str, ...]


class ReportedSink(CollectingSink):
    """Keeps the output for the document."""

    closed = False

    def show(self, ended: Ended, receipt: bytes) -> None:
        """Print the document."""
        outcome, usage = ended.outcome, ended.usage
        show_json(
            {
                "job": ended.job_id,
                "node": str(ended.node),
                "outcome": {"kind": outcome.kind, "exit_code": outcome.exit_code, "trap": outcome.trap},
                "exit_status": int(outcome.exit_status),
                "usage": {
                    "wall_time_us": usage.wall_time_us,
                    "cpu_time_us": usage.cpu_time_us,
                    "peak_memory": usage.peak_memory,
                    "fuel": usage.fuel,
                },
                "stdout": _text_or_base64(self.content("stdout")),
                "stderr": _text_or_base64(self.content("stderr")),
                "truncated": ended.truncated,
                "receipt": json.loads(receipt),
            }
        )


def _text_or_base64(data: bytes) -> dict[str, Any]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
