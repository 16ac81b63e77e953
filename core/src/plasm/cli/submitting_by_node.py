"""``plasm submit`` where a node of ours runs on this machine: it has connections, and nothing slow is loaded here."""

from __future__ import annotations

from plasm.cli.report import Ended, ReportedSink
from plasm.cli.streams import PassThroughSink
from plasm.cli.submitting import Asked, Submitted
from plasm.control.finding import node
from plasm.control.relayed import JobCancelledHere, RelayedJob
from plasm.errors import ExitStatus, OutputUnwanted
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.replay import ReplayableInput
from plasm.model import PeerId
from plasm.ops.console import say
from plasm.ops.signals import cancel_on_signals


def submit_by_node(asked: Asked, stdin: ReplayableInput | None) -> Submitted:
    """Have the node of this machine find a peer for the job, and verify the result here.

    Raises:
        PlasmError: nobody takes it, or what went wrong on the last peer.
    """
    with Cancellation() as cancellation, node() as client:
        caught = cancel_on_signals(cancellation.cancel)
        sink = ReportedSink() if asked.as_json else PassThroughSink(cancellation)

        def accepted(peer: PeerId) -> None:
            if not asked.quiet:
                say(f"the job runs on {peer}")

        more = {} if asked.seconds is None else {"seconds": asked.seconds}
        try:
            relayed = RelayedJob(client, asked.job, sink, stdin, cancellation, accepted).run(
                "submit", peers=list(asked.peers), require=dict(asked.require), attempts=asked.attempts, **more
            )
        except (JobCancelledHere, OutputUnwanted):
            if not caught:
                raise
            return Submitted(None, None, 128 + caught[0])
    claims = relayed.claims
    ended = Ended(claims.job_id, claims.node, claims.outcome, claims.usage, claims.truncated)
    sink.show(ended, relayed.receipt)
    status = ExitStatus.OUTPUT_CLOSED if sink.closed else claims.outcome.exit_status
    return Submitted(ended, relayed.receipt, status)
