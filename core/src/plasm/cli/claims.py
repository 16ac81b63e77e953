"""The claims of a receipt, for people and for scripts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from plasm.model import Limits, Usage
from plasm.model.quantities import format_duration, format_size
from plasm.receipts import LegacyReceipt, Receipt


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
