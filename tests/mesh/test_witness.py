"""Who hands jobs over can be told how each peer does by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mesh.conftest import MakeJob, SeedSigner, World
from mesh.network import MemoryTransport
from mesh.test_liars import LIAR, Answer, Liar, answering, lying

from plasm.contracts.runtime import Stream
from plasm.errors import InvalidModule, OutputUnwanted, PeerLied, PeerNotFound, PlasmError, WorkerFailed
from plasm.jobs.sinks import AsyncOutputSink, CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.mesh.messages import Accept, Failure, Offer, Reject, RejectReason
from plasm.model import PeerId
from plasm.streams import JobChannel
from plasm.submission.submitter import Candidate, Submitter


class Remembering:
    """A witness that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, PeerId]] = []

    async def answered(self, candidate: Candidate) -> None:
        self.told.append(("answered", candidate.record.peer))

    async def delivered(self, peer: PeerId) -> None:
        self.told.append(("delivered", peer))

    async def failed(self, peer: PeerId) -> None:
        self.told.append(("failed", peer))


class Unwanting:
    """Takes no output."""

    async def write(self, stream: Stream, data: bytes) -> bool:
        return False


def rejecting(liar: Liar, channel: JobChannel, offer: Offer) -> Awaitable[None]:
    return channel.send(Reject(RejectReason.QUEUE_FULL, "as many as may wait"))


def failing(error: type[PlasmError]) -> Answer:
    async def answer(liar: Liar, channel: JobChannel, offer: Offer) -> None:
        await channel.send(Accept(module_wanted=False))
        await channel.send(Failure(error.code, "it went wrong"))

    return answer


@pytest.mark.parametrize(
    ("answer", "receiver", "raised", "told"),
    [
        (answering(), CollectingSink, None, "delivered"),
        (answering(output=b"lies"), CollectingSink, PeerLied, "failed"),
        (failing(WorkerFailed), CollectingSink, WorkerFailed, "failed"),
        (failing(InvalidModule), CollectingSink, InvalidModule, None),
        (rejecting, CollectingSink, PeerNotFound, None),
        (answering(), Unwanting, OutputUnwanted, None),
    ],
    ids=["delivered", "lied", "failed", "the job is to blame", "rejected", "not wanted any more"],
)
def test_a_peer_has_failed_what_it_took_and_is_to_blame_for(
    mesh: World,
    job: MakeJob,
    hello: Path,
    answer: Answer,
    receiver: Callable[[], Any],
    raised: type[PlasmError] | None,
    told: str | None,
) -> None:
    witness, sink = Remembering(), receiver()
    into: AsyncOutputSink = sink if isinstance(sink, Unwanting) else NonblockingSink(sink)

    async def main() -> None:
        transport = MemoryTransport(mesh.network, SeedSigner("client").peer)
        async with lying(mesh, Liar(answer).serve) as liar, transport:
            await Submitter(transport, (), [liar], witness=witness).run(job(hello), into, Requirements())

    if raised is None:
        anyio.run(main, backend="trio")
    else:
        with pytest.raises(raised):
            anyio.run(main, backend="trio")
    assert witness.told == [("answered", LIAR.peer), *([(told, LIAR.peer)] if told else [])]
