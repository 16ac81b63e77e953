"""What is told of a job that has ended: its one JSON document, and the claims of its receipt."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

from plasm.jobs.sinks import CollectingSink
from plasm.model import Limits, Usage
from plasm.model.quantities import format_duration, format_size
from plasm.ops.console import show_json
from plasm.receipts import LegacyReceipt, Receipt


class ReportingSink(CollectingSink):
    """Keeps the output for the JSON document of ``run --json`` and ``submit --json``."""

    closed = False
    failure = None

    def show(self, claims: Receipt, receipt: bytes, status: int) -> None:
        """Print the document.

        Args:
            claims: what the receipt says.
            receipt: the signed envelope as JSON.
            status: the exit status with which the command is going to leave.
        """
        outcome, usage = claims.outcome, claims.usage
        show_json(
            {
                "job": claims.job_id,
                "node": str(claims.node),
                "outcome": {"kind": outcome.kind, "exit_code": outcome.exit_code, "trap": outcome.trap},
                "exit_status": int(status),
                "usage": {
                    "wall_time_us": usage.wall_time_us,
                    "cpu_time_us": usage.cpu_time_us,
                    "peak_memory": usage.peak_memory,
                    "fuel": usage.fuel,
                },
                "stdout": _text_or_base64(self.content("stdout")),
                "stderr": _text_or_base64(self.content("stderr")),
                "truncated": claims.truncated,
                "receipt": json.loads(receipt),
            }
        )


def describe(receipt: Receipt | LegacyReceipt) -> Iterator[str]:
    """The claims as lines to read."""
    yield f"node      {receipt.node}"
    yield f"module    sha256:{receipt.module}"
    if isinstance(receipt, LegacyReceipt):
        yield f"outcome   exit code {receipt.exit_code} after {receipt.wall_time_ms} ms"
        yield f"finished  {_moment(receipt.finished_s)}"
        yield "version   0.1, which names neither input nor output"
        return
    usage, limits = receipt.usage, receipt.limits
    yield f"outcome   {receipt.outcome} after {usage.wall_time_us / 1000:.1f} ms"
    yield f"used      {', '.join(_used(usage))}"
    yield f"runtime   {receipt.runtime_name} {receipt.runtime_version} on {receipt.arch}"
    yield f"started   {_moment(receipt.started_us // 10**6)}"
    yield f"job       {receipt.job_id}, manifest sha256:{receipt.manifest}"
    yield f"stdin     sha256:{receipt.stdin} ({receipt.stdin_size} bytes)"
    for subject in receipt.subjects:
        cut = " (cut short)" if subject.name in receipt.truncated else ""
        yield f"{subject.name:<9} sha256:{subject.sha256}{cut}"
    yield f"limits    {', '.join(_bounds(limits))}"


def _used(usage: Usage) -> Iterator[str]:
    if usage.cpu_time_us is not None:
        yield f"{usage.cpu_time_us / 1000:.1f} ms of processor time"
    if usage.peak_memory is not None:
        yield f"{usage.peak_memory} bytes of memory"
    if usage.fuel is not None:
        yield f"{usage.fuel} units of fuel"


def _bounds(limits: Limits) -> Iterator[str]:
    yield f"memory {format_size(limits.memory)}"
    yield f"time {format_duration(limits.wall_time)}"
    yield f"output {format_size(limits.output)}"
    yield f"files {format_size(limits.files)}"
    if limits.cpu_time is not None:
        yield f"processor time {format_duration(limits.cpu_time)}"
    if limits.fuel is not None:
        yield f"fuel {limits.fuel}"


def document(receipt: Receipt | LegacyReceipt) -> dict[str, Any]:
    """The claims as the receipt itself writes them."""
    if isinstance(receipt, LegacyReceipt):
        return {
            "version": "0.1",
            "module": receipt.module,
            "exit_code": receipt.exit_code,
            "wall_time_ms": receipt.wall_time_ms,
            "timestamp": receipt.finished_s,
            "node": str(receipt.node),
        }
    from plasm.receipts.statement import as_document

    return as_document(receipt)


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _text_or_base64(data: bytes) -> dict[str, Any]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
