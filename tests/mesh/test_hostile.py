"""Peers that prove who they are and then misbehave, over real sockets: the node goes on serving others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mesh.processes import NodeProcess, nodes

from plasm.contracts import Connection, PeerRecord
from plasm.errors import PlasmError
from plasm.mesh import JOB_PROTOCOL
from plasm.mesh.codec import encode
from plasm.mesh.framing import Deframer, frame
from plasm.mesh.messages import Offer, StdinChunk
from plasm.model import Manifest, PeerId, sha256_hex
from plasm.model.manifest import canonical
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from world import Plasm

pytestmark = pytest.mark.once

KINDS = ("/tcp/", "/quic-v1")


def meet(node: NodeProcess, kind: str, act: Callable[[Connection], Awaitable[Any]]) -> Any:
    """Have a peer with a key of its own connect to ``node`` and do something."""

    async def main() -> Any:
        host = PluginHost.from_environment()
        address = next(address for address in node.addresses if kind in address)
        async with host.transport(EphemeralSigner()) as transport:
            return await act(await transport.dial(PeerRecord(PeerId.parse(node.peer), (address,))))

    return anyio.run(main, backend="trio")


def serves(plasm: Plasm, node: NodeProcess, hello: Path) -> bool:
    return plasm("submit", hello, "abc", "--peer", node.address, "--quiet").stdout == b"cba\n"


def offer(manifest: bytes | None = None) -> Offer:
    module = sha256_hex(b"\0asm\1\0\0\0")
    return Offer(canonical(Manifest(module)) if manifest is None else manifest, module, 8, "ab" * 32)


async def ends(connection: Connection, data: bytes) -> bytes:
    """What comes back on a job stream on which ``data`` was said, until the node resets it."""
    stream = await connection.open_stream(JOB_PROTOCOL)
    answer = b""
    try:
        await stream.send(data)
        with anyio.fail_after(30):
            while part := await stream.receive():
                answer += part
    except anyio.BrokenResourceError:
        return answer
    raise AssertionError(f"the node ended the stream in order, after {answer!r}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\x7f" + bytes(1000),
        b"\xff" * 100,
        frame(b"\xff" * 50),
        frame(b"\x81" * 200),
        frame(encode(StdinChunk(b"x"))),
        frame(encode(offer())) * 2,
    ],
    ids=["oversize", "endless length", "no CBOR", "deep nesting", "out of turn", "twice"],
)
def test_who_breaks_the_protocol_is_cut_off(plasm: Plasm, hello: Path, tmp_path: Path, kind: str, data: bytes) -> None:
    with nodes(tmp_path, 1) as [node]:
        meet(node, kind, lambda connection: ends(connection, data))
        node.until("violation")
        assert serves(plasm, node, hello)


def test_who_breaks_the_protocol_again_and_again_is_not_listened_to(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    async def act(connection: Connection) -> bytes:
        for _ in range(5):
            await ends(connection, frame(b"\xff"))
        stream = await connection.open_stream(JOB_PROTOCOL)
        await stream.send(frame(encode(offer())))
        return next(Deframer().feed(await stream.receive()))

    with nodes(tmp_path, 1) as [node]:
        assert b"not-authorised" in meet(node, "/tcp/", act)
        node.until("banned")
        assert serves(plasm, node, hello)


def test_a_manifest_that_is_none_is_rejected_with_the_reason(tmp_path: Path) -> None:
    async def act(connection: Connection) -> bytes:
        stream = await connection.open_stream(JOB_PROTOCOL)
        await stream.send(frame(encode(offer(b'{"limits": {"memroy": 1}}'))))
        return await stream.receive()

    with nodes(tmp_path, 1) as [node]:
        answer = meet(node, "/tcp/", act)
    assert b"invalid-request" in answer
    assert b"memory" in answer


def test_control_characters_of_a_peer_do_not_reach_the_log(tmp_path: Path) -> None:
    async def act(connection: Connection) -> bytes:
        stream = await connection.open_stream(JOB_PROTOCOL)
        await stream.send(frame(encode(offer(b'{"limits": {"\\u001b[2J\\n\\u202e": 1}}'))))
        return await stream.receive()

    with nodes(tmp_path, 1) as [node]:
        assert b"invalid-request" in meet(node, "/tcp/", act)
        (line,) = node.until("rejected")
    assert "[2J" in line["detail"]
    assert line["detail"].isprintable()


def test_a_module_that_is_not_the_one_that_was_offered_is_refused(tmp_path: Path) -> None:
    from plasm.mesh.messages import ModuleChunk

    async def act(connection: Connection) -> bytes:
        stream = await connection.open_stream(JOB_PROTOCOL)
        await stream.send(frame(encode(offer())))
        await stream.receive()
        await stream.send(frame(encode(ModuleChunk(b"\0asm\2\0\0\0"))))
        return await stream.receive()

    with nodes(tmp_path, 1) as [node]:
        assert b"invalid-input" in meet(node, "/tcp/", act)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_streams_take_nothing_from_others(plasm: Plasm, hello: Path, tmp_path: Path, kind: str) -> None:
    """Streams on which nothing is said: most are refused, and the node serves others meanwhile and afterwards."""

    async def act(connection: Connection) -> int:
        opened = 0

        async def open_many() -> None:
            nonlocal opened
            for _ in range(100):
                try:
                    with anyio.fail_after(5):
                        await connection.open_stream(JOB_PROTOCOL)
                    opened += 1
                except (PlasmError, TimeoutError, anyio.BrokenResourceError):
                    return

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(open_many)
        assert await anyio.to_thread.run_sync(serves, plasm, node, hello)
        return opened

    with nodes(tmp_path, 1) as [node]:
        before = resident(node)
        opened = meet(node, kind, act)
        assert resident(node) < before + 64 * 2**20
        assert serves(plasm, node, hello)
        assert opened < 10_000


def resident(node: NodeProcess) -> int:
    return int(Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]) * 4096
