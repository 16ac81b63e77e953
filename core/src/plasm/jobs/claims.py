"""What a node claims about a job that it ran: the report, put into the words of a receipt."""

from __future__ import annotations

import platform

from plasm.jobs.job import Job, Report
from plasm.model import PeerId
from plasm.receipts import Receipt, Subject


def claims(job: Job, report: Report, *, node: PeerId, job_id: str, nonce: str) -> Receipt:
    """The receipt, not yet signed, of ``job`` as ``node`` ran it; ``nonce`` is the client's."""
    return Receipt(
        subjects=(Subject("stdout", report.stdout), Subject("stderr", report.stderr)),
        job_id=job_id,
        manifest=job.manifest.digest(),
        nonce=nonce,
        module=job.module.digest,
        module_size=len(job.module.data),
        stdin=report.stdin,
        stdin_size=report.stdin_size,
        outcome=report.outcome,
        usage=report.usage,
        limits=job.manifest.limits,
        runtime_name=report.runtime_name,
        runtime_version=report.runtime_version,
        arch=platform.machine(),
        node=node,
        started_us=report.started_us,
        finished_us=report.finished_us,
        truncated=report.truncated,
    )
