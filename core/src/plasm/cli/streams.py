"""Where the output of ``plasm run`` goes: through to our own streams, or into the JSON document."""

from __future__ import annotations

import base64
import json
import os
import select
from collections.abc import Mapping
from typing import Any, Final

from plasm.cli.console import show_json
from plasm.client.local import CollectingSink, Completed
from plasm.contracts import Stream
from plasm.errors import UnwritableOutput
from plasm.execution.cancellation import Cancellation

_DESCRIPTORS: Final[Mapping[Stream, int]] = {"stdout": 1, "stderr": 2}


class PassThroughSink:
    """Writes a job's output to our stdout and stderr, byte for byte.

    ``closed`` tells whether the reader of one has gone; the job is stopped then.  While a slow reader makes us wait,
    ``cancellation`` is still heard.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self.closed = False
        self._cancellation = cancellation

    def write(self, stream: Stream, data: bytes) -> bool:
        descriptor = _DESCRIPTORS[stream]
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._cancellation.descriptor, select.POLLIN)
        view = memoryview(data)
        while view:
            ready = [ready for ready, _ in poll.poll()]
            if self._cancellation.descriptor in ready:
                return False
            try:
                view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self.closed = True
                return False
            except OSError as error:
                raise UnwritableOutput(f"the job's {stream} cannot be passed on: {error.strerror}") from None
        return True


class ReportedSink(CollectingSink):
    """Keeps the output for the JSON document of ``plasm run --json``."""

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
