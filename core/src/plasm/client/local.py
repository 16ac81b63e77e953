"""Running jobs on this machine: executor and signer put together.

What signs is imported when there is something to sign.
"""

from __future__ import annotations

import os
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from plasm.artifacts.cache import ArtifactCache
from plasm.config import Config
from plasm.errors import InvalidInput, JobRefused
from plasm.execution.parent.executor import Executor
from plasm.execution.parent.spawn import Spawned
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.job import Job, Report
from plasm.jobs.sinks import OutputSink
from plasm.model import PeerId
from plasm.plugins import PluginHost, PluginKind

if TYPE_CHECKING:
    from plasm.contracts import Signer
    from plasm.receipts import Receipt


class Completed(NamedTuple):
    """A job that has ended, and what a receipt of it would say."""

    job_id: str
    nonce: str
    job: Job
    report: Report


class LocalClient:
    """Runs jobs in ``workers`` of its own and signs receipts with this user's key.  May be used from several threads.

    Args:
        config: the configuration; ``None`` reads that of this machine.
        host: the plugins, where this process has them already; their configuration is used.
        runtime: the name of a runtime plugin; ``None`` leaves it to the configuration.
        signer: the name of a signing plugin; ``None`` leaves it to the configuration.
        workers: how many jobs may run at once.
        started: a worker that is under way already, used where it has the right runtime.

    Raises:
        PluginNotFound: there is no such runtime.
        PluginError: an extension cannot be used.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        host: PluginHost | None = None,
        runtime: str | None = None,
        signer: str | None = None,
        workers: int = 1,
        started: Spawned | None = None,
    ) -> None:
        self._host = host or PluginHost(config or Config.from_environment(os.environ))
        self.made_identity = False
        self._signer_name = signer
        config = self._host.config
        self.runtime = self._host.select(PluginKind.RUNTIME, runtime or config.runtime).name
        self._extensions = self._host.extensions()
        self._executor = Executor(
            self.runtime,
            ArtifactCache(config.cache_dir / "modules" / self.runtime),
            workers=workers,
            started=started if started and self._suits(started) else None,
        )

    @cached_property
    def signer(self) -> Signer:
        """This user's signer; a key is made where there is none yet, and ``made_identity`` says so."""
        signer, self.made_identity = self._host.signer_made_if_missing(self._signer_name)
        return signer

    @property
    def peer_id(self) -> PeerId:
        """The id under which this client signs."""
        return PeerId(self.signer.public_key)

    def run(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        cancellation: Cancellation | None = None,
        nonce: str | None = None,
    ) -> Completed:
        """Run ``job`` to its end; see :meth:`plasm.execution.parent.executor.Executor.run`.

        Raises:
            JobRefused: an extension does not admit the job.
            PlasmError: the job was refused by the runtime, or cannot be run here.
        """
        if job.manifest.runtime not in (None, self.runtime):
            raise InvalidInput(
                f"the job needs the runtime {job.manifest.runtime!r}, chosen is {self.runtime!r}",
                hint=f"use --runtime {job.manifest.runtime}",
            )
        refusal = self._extensions.refusal(job.manifest, peer=None)
        if refusal is not None:
            raise JobRefused(f"the job is not admitted: {refusal}")
        job_id = os.urandom(16).hex()
        self._extensions.job_started(job_id)
        report = self._executor.run(job, sink, stdin=stdin, cancellation=cancellation)
        self._extensions.job_finished(job_id, report.outcome)
        return Completed(job_id, nonce or os.urandom(32).hex(), job, report)

    def claims(self, completed: Completed) -> Receipt:
        """What this client's receipt of ``completed`` says."""
        from plasm.jobs.claims import claims

        return claims(
            completed.job,
            completed.report,
            node=self.peer_id,
            job_id=completed.job_id,
            nonce=completed.nonce,
        )

    def sign(self, completed: Completed) -> bytes:
        """The receipt of ``completed``: a signed DSSE envelope as JSON.

        Raises:
            IdentityError: the key cannot be used.
        """
        from plasm.receipts import issue

        receipt = issue(self.claims(completed), self.signer).to_json()
        self._extensions.receipt_issued(completed.job_id, receipt)
        return receipt

    def sign_legacy(self, completed: Completed) -> bytes:
        """The receipt of ``completed`` in version 0.1 of the older protocol.

        Raises:
            IdentityError: the key cannot be used.
        """
        from plasm.receipts import LegacyReceipt, issue_legacy

        receipt = issue_legacy(LegacyReceipt.of(self.claims(completed)), self.signer)
        self._extensions.receipt_issued(completed.job_id, receipt)
        return receipt

    def close(self) -> None:
        """End the worker."""
        self._executor.close()

    def _suits(self, started: Spawned) -> bool:
        """Whether a worker has our runtime; one that was not told which has made the choice that is made without us."""
        if started.runtime:
            return started.runtime == self.runtime
        return self._host.select(PluginKind.RUNTIME, self._host.config.runtime).name == self.runtime

    def __enter__(self) -> LocalClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
