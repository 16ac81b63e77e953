"""``plasm submit`` where no node runs on this machine: with a transport and discoveries of our own."""

from __future__ import annotations

from typing import Any

from plasm.cli import network
from plasm.cli.receiving import PassThroughReceiver
from plasm.cli.report import Ended, ReportedSink
from plasm.cli.submitting import Asked, Submitted
from plasm.client.mesh import MeshClient
from plasm.contracts import PeerRecord
from plasm.errors import ExitStatus
from plasm.jobs.replay import ReplayableInput
from plasm.jobs.sinks import Immediately
from plasm.mesh.capability import CapabilityRecord, Requirements
from plasm.ops.console import say
from plasm.ops.running import until_signal
from plasm.submission.exchange import Delivered
from plasm.submission.submitter import SEARCH_SECONDS


def submit_directly(asked: Asked, stdin: ReplayableInput | None) -> Submitted:
    """Find a peer, have it run the job, and verify the result.

    Raises:
        PlasmError: nobody takes it, or what went wrong on the last peer.
    """
    sink = ReportedSink() if asked.as_json else PassThroughReceiver()
    named = [PeerRecord.parse(address) for address in asked.peers]
    client = MeshClient(
        asked.config,
        peers=named,
        discoveries=network.choose_discoveries(asked.config, asked.discoveries, otherwise=not named),
        transport=asked.transport,
        signer=asked.signer,
    )

    async def chosen(record: CapabilityRecord) -> None:
        if not asked.quiet:
            say(f"the job runs on {record.peer} ({record.arch}, plasm {record.version})")

    async def main() -> Delivered:
        async with client as submitter:
            return await submitter.run(
                asked.job,
                sink if isinstance(sink, PassThroughReceiver) else Immediately(sink),
                _requirements(asked),
                stdin=stdin,
                attempts=asked.attempts,
                seconds=SEARCH_SECONDS if asked.seconds is None else asked.seconds,
                chosen=chosen,
            )

    delivered, caught = until_signal(main)
    if delivered is None:
        return Submitted(None, None, 128 + caught)
    claims = delivered.claims
    ended = Ended(claims.job_id, claims.node, claims.outcome, claims.usage, claims.truncated)
    sink.show(ended, delivered.receipt)
    status = ExitStatus.OUTPUT_CLOSED if sink.closed else claims.outcome.exit_status
    return Submitted(ended, delivered.receipt, status)


def _requirements(asked: Asked) -> Requirements:
    required: dict[str, Any] = dict(asked.require)
    return Requirements.of(asked.job.manifest, **required)
