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
from plasm.jobs.job import Job
from plasm.jobs.report import Report
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

    ``runtime`` and ``signer`` are plugin names; without them the configuration decides.  ``started`` is a worker
    that is under way already and is used where it has the right runtime.

    Raises:
        PluginNotFound: there is no such runtime.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        runtime: str | None = None,
        signer: str | None = None,
        workers: int = 1,
        started: Spawned | None = None,
    ) -> None:
        self.config = config or Config.from_environment(os.environ)
        self.made_identity = False
        self._host = PluginHost(self.config)
        self._signer_name = signer
        self.runtime = self._host.select(PluginKind.RUNTIME, runtime or self.config.runtime).name
        self._executor = Executor(
            self.runtime,
            ArtifactCache(self.config.cache_dir / "modules" / self.runtime),
            workers=workers,
            started=started if started and started.runtime == self.runtime else None,
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
        extensions = self._host.extensions
        refusal = extensions.refusal(job.manifest, peer=None)
        if refusal is not None:
            raise JobRefused(f"the job is not admitted: {refusal}")
        job_id = os.urandom(16).hex()
        extensions.job_event(job_id, "started")
        report = self._executor.run(job, sink, stdin=stdin, cancellation=cancellation)
        extensions.job_event(job_id, "finished", report.outcome)
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
        self._host.extensions.receipt_issued(completed.job_id, receipt)
        return receipt

    def sign_legacy(self, completed: Completed) -> bytes:
        """The receipt of ``completed`` in version 0.1 of the older protocol.

        Raises:
            IdentityError: the key cannot be used.
        """
        from plasm.receipts import LegacyReceipt, issue_legacy

        receipt = issue_legacy(LegacyReceipt.of(self.claims(completed)), self.signer)
        self._host.extensions.receipt_issued(completed.job_id, receipt)
        return receipt

    def close(self) -> None:
        """End the worker."""
        self._executor.close()

    def __enter__(self) -> LocalClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
