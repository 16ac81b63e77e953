"""A peer that lies is named and avoided, whatever it lies about."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve
from mesh.conftest import MakeJob, SeedSigner, World
from mesh.network import MemoryConnection, MemoryStream, MemoryTransport

from plasm.contracts import PeerRecord
from plasm.errors import PeerError, PeerLied, PeerUnreachable, PlasmError, ProtocolViolation, VerificationFailed
from plasm.jobs.input import ReplayableInput
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh import INFO_PROTOCOL, JOB_PROTOCOL
from plasm.mesh.capability import CapabilityRecord, Requirements, RuntimeOffer, sign
from plasm.mesh.framing import frame
from plasm.mesh.job_stream import JobStream, Role
from plasm.mesh.messages import Accept, Failure, Offer, OutputChunk, Result, StdinChunk
from plasm.model import Limits, Outcome, PeerId, Sha256, Usage, sha256_hex
from plasm.model.documents import manifest_from_json
from plasm.receipts import Receipt, Subject, issue
from plasm.streams import JobChannel, send_only

LIAR, ACCOMPLICE = SeedSigner("liar"), SeedSigner("accomplice")
OUTPUT = b"the output\n"

Answer = Callable[["Liar", JobChannel, Offer], Awaitable[None]]


class Liar:
    """A peer that looks like a node, and answers jobs as a test has it do."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.offers: list[Offer] = []

    async def serve(self, connection: MemoryConnection, protocol: str, stream: MemoryStream) -> None:
        if protocol == INFO_PROTOCOL:
            await send_only(stream, sign(record(), LIAR))
            return
        channel = JobChannel(stream, JobStream(Role.NODE, max_stdin=2**30, max_output=2**40))
        offer = await channel.receive()
        assert isinstance(offer, Offer)
        self.offers.append(offer)
        await self._answer(self, channel, offer)
        await stream.send_eof()

    @staticmethod
    def claims(offer: Offer, output: bytes = OUTPUT) -> Receipt:
        """What an honest node would claim of a job that wrote ``output``."""
        now = int(time.time() * 1e6)
        return Receipt(
            subjects=(Subject("stdout", sha256_hex(output)), Subject("stderr", sha256_hex(b""))),
            job_id="0" * 32,
            manifest=sha256_hex(offer.manifest),
            nonce=offer.nonce,
            module=offer.module,
            module_size=offer.module_size,
            stdin=sha256_hex(b""),
            stdin_size=0,
            outcome=Outcome.exited(0),
            usage=Usage(1),
            limits=manifest_from_json(offer.manifest, offer.module).limits,
            runtime_name="wasmtime",
            runtime_version="50",
            arch="x86_64",
            node=LIAR.peer,
            started_us=now,
            finished_us=now,
        )


def record(peer: PeerId = LIAR.peer, **changes: Any) -> CapabilityRecord:
    now = int(time.time())
    plain = CapabilityRecord(
        peer, ["/memory/1"], "x86_64", [RuntimeOffer("wasmtime", "50")], 2**40, 10**9, 2**27, 1, now, now + 60
    )
    return evolve(plain, **changes)


@asynccontextmanager
async def lying(mesh: World, serve: Any) -> AsyncIterator[PeerRecord]:
    async with MemoryTransport(mesh.network, LIAR.peer) as transport:
        await transport.listen([], serve, [INFO_PROTOCOL, JOB_PROTOCOL])
        yield PeerRecord(LIAR.peer, ("/memory/1",))


def answering(
    change: Callable[[Receipt], Receipt] = lambda claims: claims,
    *,
    output: bytes = OUTPUT,
    seal: Callable[[Receipt], bytes] = lambda claims: issue(claims, LIAR).to_json(),
) -> Answer:
    """Says that it ran the job, with claims and output as they are changed here."""

    async def answer(liar: Liar, channel: JobChannel, offer: Offer) -> None:
        await channel.send(Accept(module_wanted=False))
        await channel.send(OutputChunk("stdout", output))
        await channel.send(Result(seal(change(liar.claims(offer)))))

    return answer


def forged(claims: Receipt) -> bytes:
    receipt = issue(claims, LIAR).to_json()
    start = receipt.index(b'"sig":"') + 7
    return receipt[:start] + (b"A" if receipt[start : start + 1] != b"A" else b"B") + receipt[start + 1 :]


OTHER = Sha256("ab" * 32)
LIES: dict[str, tuple[Answer, str]] = {
    "a signature that does not hold": (answering(seal=forged), "signature"),
    "the receipt of another signer": (
        answering(seal=lambda claims: issue(evolve(claims, node=ACCOMPLICE.peer), ACCOMPLICE).to_json()),
        "signer",
    ),
    "output that the receipt does not name": (answering(output=b"other output\n"), "stdout"),
    "less output than the receipt names": (answering(output=OUTPUT[:-1]), "stdout"),
    "another module": (answering(lambda claims: evolve(claims, module=OTHER)), "module"),
    "another manifest": (answering(lambda claims: evolve(claims, manifest=OTHER)), "manifest"),
    "another nonce": (answering(lambda claims: evolve(claims, nonce="cd" * 32)), "nonce"),
    "more input than was sent": (
        answering(lambda claims: evolve(claims, stdin=sha256_hex(b""), stdin_size=3)),
        "stdin",
    ),
    "input that was not sent": (answering(lambda claims: evolve(claims, stdin=OTHER, stdin_size=3)), "stdin"),
    "a subject too many": (
        answering(lambda claims: evolve(claims, subjects=(*claims.subjects, Subject("/extra", OTHER)))),
        "/extra",
    ),
    "other limits": (answering(lambda claims: evolve(claims, limits=Limits(memory=2**20))), "limits"),
    "no receipt at all": (answering(seal=lambda _: b"trust me"), "not a valid receipt"),
}


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


def submitted(mesh: World, serve: Any, job: Any, **settings: Any) -> Any:
    async def main() -> Any:
        async with lying(mesh, serve) as liar, mesh.client(liar) as client:
            return await client.run(job, NonblockingSink(CollectingSink()), Requirements(), **settings)

    return run(main)


def test_the_same_peer_telling_the_truth_is_believed(mesh: World, job: MakeJob, hello: Path) -> None:
    delivered = submitted(mesh, Liar(answering()).serve, job(hello))
    assert delivered.peer == LIAR.peer


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out_and_the_liar_is_named(mesh: World, job: MakeJob, hello: Path, lie: str) -> None:
    answer, about = LIES[lie]
    with pytest.raises(PeerLied) as caught:
        submitted(mesh, Liar(answer).serve, job(hello))
    assert str(LIAR.peer) in caught.value.message
    assert about in caught.value.message


def test_a_receipt_of_an_earlier_job_is_found_out(mesh: World, job: MakeJob, hello: Path) -> None:
    kept: list[bytes] = []

    def seal(claims: Receipt) -> bytes:
        kept.append(issue(claims, LIAR).to_json())
        return kept[0]

    serve = Liar(answering(seal=seal)).serve
    submitted(mesh, serve, job(hello))
    with pytest.raises(PeerLied, match="nonce"):
        submitted(mesh, serve, job(hello))


def test_input_that_was_changed_on_the_way_is_found_out(mesh: World, job: MakeJob, hello: Path) -> None:
    async def answer(liar: Liar, channel: JobChannel, offer: Offer) -> None:
        await channel.send(Accept(module_wanted=False))
        message = await channel.receive()
        assert isinstance(message, StdinChunk)
        claims = evolve(liar.claims(offer, b""), stdin=sha256_hex(b"something"), stdin_size=len(message.data))
        await channel.send(Result(issue(claims, LIAR).to_json()))

    with ReplayableInput(b"else") as stdin, pytest.raises(PeerLied, match="stdin"):
        submitted(mesh, Liar(answer).serve, job(hello), stdin=stdin)


def test_a_liar_is_avoided_and_an_honest_peer_delivers(mesh: World, job: MakeJob, hello: Path) -> None:
    """Nothing that the liar wrote is seen, and the job counts once."""

    async def main() -> None:
        liar = Liar(answering(output=b"lies"))
        async with (
            lying(mesh, liar.serve) as first,
            mesh.node() as second,
            mesh.client(first, second.record) as client,
        ):
            sink, honest = CollectingSink(), job(hello, "abc")
            delivered = await client.run(honest, NonblockingSink(sink), Requirements(), attempts=2)
            assert delivered.peer == second.record.peer
            assert sink.content("stdout") == b"cba\n"
            assert len(liar.offers) == 1

    run(main)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (lambda: sign(record(ACCOMPLICE.peer), ACCOMPLICE), VerificationFailed),
        (lambda: sign(record(issued_at=1, expires_at=2), LIAR), VerificationFailed),
        (lambda: b"not a record", ProtocolViolation),
    ],
)
def test_a_record_that_does_not_hold_is_no_offer(
    mesh: World, job: MakeJob, hello: Path, wire: Callable[[], bytes], error: type[PlasmError]
) -> None:
    async def serve(_: object, protocol: str, stream: MemoryStream) -> None:
        assert protocol == INFO_PROTOCOL, "the job must not even be offered"
        await send_only(stream, wire())

    with pytest.raises(error):
        submitted(mesh, serve, job(hello))


async def garbage(_: Liar, channel: JobChannel, offer: Offer) -> None:
    await channel._stream.send(b"\xff" * 100)


async def oversize(_: Liar, channel: JobChannel, offer: Offer) -> None:
    await channel._stream.send(b"\xff\xff\x7f" + bytes(100))


async def silence_at_once(_: Liar, channel: JobChannel, offer: Offer) -> None:
    return


async def half_a_job(_: Liar, channel: JobChannel, offer: Offer) -> None:
    await channel.send(Accept(module_wanted=False))
    await channel.send(OutputChunk("stdout", b"half"))


async def result_first(liar: Liar, channel: JobChannel, offer: Offer) -> None:
    from plasm.mesh.codec import encode

    await channel._stream.send(frame(encode(Result(issue(liar.claims(offer), LIAR).to_json()))))


async def flood(_: Liar, channel: JobChannel, offer: Offer) -> None:
    await channel.send(Accept(module_wanted=False))
    for _number in range(200):
        await channel.send(OutputChunk("stdout", bytes(2**20 - 64)))


async def reset(_: Liar, channel: JobChannel, offer: Offer) -> None:
    await channel.send(Accept(module_wanted=False))
    await channel._stream.reset()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (garbage, ProtocolViolation),
        (oversize, ProtocolViolation),
        (silence_at_once, ProtocolViolation),
        (half_a_job, ProtocolViolation),
        (result_first, ProtocolViolation),
        (flood, ProtocolViolation),
        (reset, PeerUnreachable),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_an_error(
    mesh: World, job: MakeJob, hello: Path, answer: Answer, error: type[PeerError]
) -> None:
    with pytest.raises(error):
        submitted(mesh, Liar(answer).serve, job(hello))


def test_what_a_peer_says_went_wrong_is_told_with_its_name(mesh: World, job: MakeJob, hello: Path) -> None:
    async def answer(_: Liar, channel: JobChannel, offer: Offer) -> None:
        await channel.send(Accept(module_wanted=False))
        await channel.send(Failure("no-such-code", "the \x1b[31mreason"))

    with pytest.raises(PlasmError, match=str(LIAR.peer)):
        submitted(mesh, Liar(answer).serve, job(hello))


def test_the_receipt_that_was_delivered_verifies_by_itself(mesh: World, job: MakeJob, hello: Path) -> None:
    from plasm.receipts import verify

    async def main() -> None:
        async with mesh.node() as node, mesh.client(node.record) as client:
            sink = CollectingSink()
            delivered = await client.run(job(hello, "x"), NonblockingSink(sink), Requirements())
            claims = verify(delivered.receipt)
            assert claims.node == node.record.peer
            assert claims.subjects[0].sha256 == hashlib.sha256(sink.content("stdout")).hexdigest()

    run(main)
