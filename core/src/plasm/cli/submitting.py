"""What ``plasm submit`` was asked for, whichever way it goes, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from attrs import frozen

from plasm.cli.report import Ended
from plasm.config import Config
from plasm.jobs.job import Job


@frozen
class Asked:
    """One job to be run by a peer.  ``peers`` are addresses, ``discoveries`` names of plugins; ``require`` may have
    ``arch``, ``runtime`` and ``memory``; ``seconds`` are for finding peers, ``None`` the usual ones."""

    job: Job
    config: Config
    peers: tuple[str, ...]
    discoveries: tuple[str, ...]
    transport: str | None
    signer: str | None
    require: Mapping[str, str | int]
    attempts: int
    seconds: float | None
    as_json: bool
    quiet: bool


class Submitted(NamedTuple):
    """How it ended, the receipt, and the exit status; ``ended`` is ``None`` where a signal came first."""

    ended: Ended | None
    receipt: bytes | None
    status: int
