"""A job bound to this machine, and the report of how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from plasm.artifacts.modules import Module
from plasm.errors import InvalidInput
from plasm.model import Manifest, Outcome, Preopen, Sha256, Usage

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream


@frozen
class Job:
    """A manifest with the module and the folders that it names.

    Raises:
        InvalidInput: the module is another than the manifest's, or a mount is not bound.
    """

    manifest: Manifest
    module: Module
    preopens: tuple[Preopen, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.manifest.module != self.module.digest:
            raise InvalidInput(
                f"the manifest names module {self.manifest.module[:12]}…, this one is {self.module.digest[:12]}…",
                hint="give the module that the manifest was written for",
            )
        if tuple(preopen.mount for preopen in self.preopens) != self.manifest.invocation.mounts:
            raise InvalidInput("the manifest's mounts and the folders given differ", hint="use Manifest.bind")

    def check_portable(self) -> None:
        """Refuse a job that cannot be sent to another machine.

        Raises:
            InvalidInput: it has folders.
        """
        if self.preopens:
            raise InvalidInput(
                "a job with folders cannot be sent to a peer", hint="use plasm run, or pass input on stdin"
            )

    @property
    def writes_files(self) -> bool:
        """Whether the job may write to a folder."""
        return not all(preopen.mount.read_only for preopen in self.preopens)


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
