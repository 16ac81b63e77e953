"""How a job ended, as whoever ran it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from plasm.model import Outcome, Sha256, Usage

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream


@frozen
class Report:
    """How a job ended, and digests of what went in and came out.

    ``stdin`` covers the whole input where it has an end known beforehand (bytes, a regular file), else the
    ``stdin_size`` bytes that were handed over before the job ended.  ``trace`` is the traceback of a runtime that
    crashed, where there is one: for the runtime's author alone, and in no receipt.
    """

    outcome: Outcome
    usage: Usage
    stdin: Sha256
    stdin_size: int
    stdout: Sha256
    stderr: Sha256
    truncated: tuple[Stream, ...]
    started_us: int
    finished_us: int
    runtime_name: str
    runtime_version: str
    trace: str = field(default="", repr=False)
