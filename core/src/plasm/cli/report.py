"""The JSON document of ``plasm run --json``."""

from __future__ import annotations

import base64
import json
from typing import Any

from plasm.cli.console import show_json
from plasm.client.local import Completed
from plasm.client.oneshot import CollectingSink


class ReportedSink(CollectingSink):
    """Keeps the output for the document."""

    closed = False

    def show(self, completed: Completed, receipt: bytes) -> None:
        """Print the document."""
        report = completed.report
        outcome, usage = report.outcome, report.usage
        show_json(
            {
                "job": completed.job_id,
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
                "truncated": report.truncated,
                "receipt": json.loads(receipt),
            }
        )


def _text_or_base64(data: bytes) -> dict[str, Any]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
