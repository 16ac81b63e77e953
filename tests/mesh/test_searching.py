"""What a client looks for: the architectures for which Plasm is built and the runtimes that its maker names."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mesh.conftest import MakeJob, SeedSigner, World
from mesh.network import MemoryTransport

from plasm.contracts import PeerRecord
from plasm.errors import PeerNotFound
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements, capability_key
from plasm.submission.submitter import Submitter


class Listening:
    """A finder that finds nobody and keeps what it was asked for."""

    def __init__(self) -> None:
        self.keys: set[str | None] = set()

    async def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        self.keys.add(capability)
        for record in ():
            yield record


ALL = {"x86_64", "aarch64", platform.machine()}


@pytest.mark.parametrize(
    ("runtimes", "requirements", "keys"),
    [
        (("one", "two"), Requirements(), {capability_key(arch, name) for arch in ALL for name in ("one", "two")}),
        (("one",), Requirements(arch="mips"), {"/plasm/capability/mips/one"}),
        (("one",), Requirements(runtime="other"), {capability_key(arch, "other") for arch in ALL}),
        ((), Requirements(), {None}),
    ],
    ids=["what is installed", "an architecture", "a runtime", "nothing is installed"],
)
def test_peers_are_looked_for_by_what_the_job_needs(
    mesh: World,
    job: MakeJob,
    hello: Path,
    runtimes: tuple[str, ...],
    requirements: Requirements,
    keys: set[str | None],
) -> None:
    finder = Listening()

    async def main() -> None:
        async with MemoryTransport(mesh.network, SeedSigner("client").peer) as transport:
            submitter = Submitter(transport, [finder], runtimes=runtimes)
            await submitter.run(job(hello), NonblockingSink(CollectingSink()), requirements)

    with pytest.raises(PeerNotFound):
        anyio.run(main, backend="trio")
    assert finder.keys == keys
