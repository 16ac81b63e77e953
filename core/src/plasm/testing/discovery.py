"""The contract of discovery as tests: what :class:`plasm.contracts.Discovery` says, tried by nodes that see each other.

A node of a test is a discovery and what it advertises.  Waiting is always for something to be found; a search that
ends without it is begun anew, until :data:`PATIENCE_SECONDS` have passed.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Final, TypeVar

import anyio
from attrs import evolve, frozen

from plasm.contracts import Discovery, PeerRecord
from plasm.mesh.capability import capability_key
from plasm.model import PeerId

PATIENCE_SECONDS: Final = 30.0

_Test = TypeVar("_Test", bound=Callable[..., Awaitable[None]])


@frozen
class Member:
    """A node: its discovery, which the test enters and leaves, and its record, with two addresses or more."""

    discovery: Discovery
    record: PeerRecord

    @property
    def peer(self) -> PeerId:
        return self.record.peer


def _in_trio(test: _Test) -> Callable[[Any], None]:
    """``test`` as a method that anybody can call."""

    @functools.wraps(test)
    def run(self: Any) -> None:
        async def patiently() -> None:
            with anyio.fail_after(PATIENCE_SECONDS):
                await test(self)

        anyio.run(patiently, backend="trio")

    return run


class DiscoveryContract:
    """What every discovery must do.  A subclass gives the nodes; pytest runs it.

    ``says_good_bye`` is false where the protocol has no way to take back what was advertised.
    """

    capability: ClassVar[str] = capability_key("x86_64", "some-runtime")
    says_good_bye: ClassVar[bool] = True

    def neighbourhood(self, count: int) -> AbstractAsyncContextManager[Sequence[Member]]:
        """``count`` nodes that can see each other once they are entered, in whatever order that happens."""
        raise NotImplementedError

    async def disturb(self, member: Member) -> Collection[PeerId]:
        """Send ``member``, which is entered, what no honest peer sends; who must not be found for it."""
        return ()

    @_in_trio
    async def test_what_is_advertised_is_found(self) -> None:
        """What one node advertises, another finds, with its addresses."""
        async with self._members(2) as (one, other):
            await self._advertise(other)
            found = await self._find(one, other)
            assert set(other.record.addresses) <= set(_of(other, found).addresses), found

    @_in_trio
    async def test_a_node_that_comes_later_finds_it_too(self) -> None:
        """A node that comes after something was advertised finds it too."""
        async with self.neighbourhood(3) as (one, other, late), one.discovery:
            await self._advertise(one)
            async with other.discovery:
                await self._find(other, one)
                async with late.discovery:
                    await self._find(late, one)

    @_in_trio
    async def test_everything_is_found_without_a_capability(self) -> None:
        """A search that names no capability finds other nodes."""
        async with self._members(2) as (one, other):
            await self._advertise(one)
            await self._advertise(other)
            await self._find(one, other, capability=None)

    @_in_trio
    async def test_a_node_never_finds_itself(self) -> None:
        """A node never finds itself, however well it is known to the others."""
        async with self._members(3) as (one, other, third):
            await self._advertise(one)
            await self._find(other, one)
            await self._advertise(other)
            await self._advertise(third)
            found = await self._find(one, other, third)
            assert one.peer not in {record.peer for record in found}, found

    @_in_trio
    async def test_each_peer_is_found_once(self) -> None:
        """A search finds each peer once, even one that advertises again meanwhile."""
        async with self._members(3) as (one, other, third):
            await self._advertise(other)
            await self._find(one, other)
            found = []
            async with _closing(one.discovery.find(self.capability)) as search:
                async for record in search:
                    found.append(record.peer)
                    if record.peer == third.peer:
                        break
                    await self._advertise(other)
                    await self._advertise(third)
            assert len(found) == len(set(found)), found

    @_in_trio
    async def test_advertising_again_replaces_the_record(self) -> None:
        """What is advertised again takes the place of what was advertised before."""
        async with self._members(2) as (one, other):
            first, *others = other.record.addresses
            for addresses in ([first], others, [first]):
                await other.discovery.advertise(evolve(other.record, addresses=addresses), [self.capability])
                while set(_of(other, await self._find(one, other)).addresses) != set(addresses):
                    await anyio.lowlevel.checkpoint()

    @_in_trio
    async def test_a_node_that_left_is_forgotten(self) -> None:
        """A node that has left is found no more, where the protocol can say good-bye."""
        if not self.says_good_bye:
            return
        async with self.neighbourhood(4) as (one, before, leaving, after), one.discovery, before.discovery:
            await self._advertise(before)
            await self._find(one, before)
            async with leaving.discovery:
                await self._advertise(leaving)
                await self._find(one, leaving)
            async with after.discovery:
                await self._advertise(after)
                # In whichever order they are found: what is known from between the two comes between them.
                while leaving.peer in {record.peer for record in await self._find(one, before, after)}:
                    await anyio.lowlevel.checkpoint()

    @_in_trio
    async def test_a_search_can_be_given_up(self) -> None:
        """A search that is cancelled takes nothing from the next one."""
        async with self._members(2) as (one, other):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await self._find(one, other)
            await self._advertise(other)
            await self._find(one, other)

    @_in_trio
    async def test_searches_run_side_by_side(self) -> None:
        """Several searches at a time find what each would find alone."""
        async with self._members(3) as (one, other, third), anyio.create_task_group() as searches:
            searches.start_soon(self._find, one, other, third)
            searches.start_soon(self._find, one, third)
            searches.start_soon(self._find, third, other)
            await self._advertise(other)
            await self._advertise(third)

    @_in_trio
    async def test_garbage_does_no_harm(self) -> None:
        """A node that has been sent garbage goes on finding and being found, and found no garbage."""
        async with self._members(2) as (one, other):
            nobody = await self.disturb(one)
            await self._advertise(one)
            await self._advertise(other)
            await self._find(other, one)
            found = {record.peer for record in await self._find(one, other)}
            assert found.isdisjoint(nobody), found

    @_in_trio
    async def test_the_end_leaves_nothing(self) -> None:
        """The end of a discovery releases its tasks, threads and descriptors."""

        async def use() -> None:
            async with self._members(2) as (one, other):
                await self._advertise(one)
                await self._advertise(other)
                await self._find(one, other)

        # What a library opens once and keeps is not meant.
        await use()
        before = _left_open()
        await use()
        after = _left_open()
        assert after == before, f"{after}, before {before}"

    @_in_trio
    async def test_an_error_of_the_block_comes_out_as_it_is(self) -> None:
        """An error in a discovery's block comes out of it as it is."""
        error, came_out = LookupError("of the block"), None
        async with self.neighbourhood(1) as (one,):
            try:
                async with one.discovery:
                    raise error
            except Exception as raised:
                came_out = raised
        assert came_out is error, repr(came_out)

    @_in_trio
    async def test_it_ends_when_it_is_cancelled(self) -> None:
        """A discovery whose block is cancelled ends like any other."""
        before = _left_open()
        with anyio.CancelScope() as scope:
            async with self._members(2) as (one, other):
                await self._advertise(other)
                await self._find(one, other)
                scope.cancel()
                await anyio.sleep_forever()
        # Descriptors are left out: this may be the first use of a library.
        assert _left_open()[:2] == before[:2]

    @asynccontextmanager
    async def _members(self, count: int) -> AsyncIterator[Sequence[Member]]:
        """A neighbourhood of nodes that are all entered."""
        async with self.neighbourhood(count) as members, AsyncExitStack() as entered:
            for member in members:
                await entered.enter_async_context(member.discovery)
            yield members

    async def _advertise(self, member: Member) -> None:
        await member.discovery.advertise(member.record, [self.capability])

    async def _find(self, who: Member, *wanted: Member, capability: str | None = "") -> list[PeerRecord]:
        """What one search of ``who`` found until all that are ``wanted`` were among it."""
        missing = {member.peer for member in wanted}
        while True:
            found: list[PeerRecord] = []
            async with _closing(who.discovery.find(self.capability if capability == "" else capability)) as search:
                async for record in search:
                    found.append(record)
                    if missing <= {record.peer for record in found}:
                        return found
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def _closing(search: AsyncIterator[PeerRecord]) -> AsyncIterator[AsyncIterator[PeerRecord]]:
    """``search``, closed at the end where it can be."""
    try:
        yield search
    finally:
        if close := getattr(search, "aclose", None):
            await close()


def _of(member: Member, found: Sequence[PeerRecord]) -> PeerRecord:
    return next(record for record in found if record.peer == member.peer)


def _left_open() -> tuple[int, list[str], int]:
    """Tasks, threads and descriptors of this process; trio keeps idle threads and is to be forgiven."""
    threads = [thread.name for thread in threading.enumerate() if not thread.name.startswith("Trio thread")]
    return len(anyio.get_running_tasks()), sorted(threads), len(os.listdir("/proc/self/fd"))
