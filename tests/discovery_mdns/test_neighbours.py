"""What is remembered of the local network, and for how long."""

from __future__ import annotations

import pytest

from plasm.contracts import PeerRecord
from plasm.model import PeerId

pytest.importorskip("plasm_discovery_mdns")

from plasm_discovery_mdns._neighbours import MAX_AGE_S, MAX_NAMES, Neighbours
from plasm_discovery_mdns._txt import MAX_ADDRESSES


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(number: int, *ports: int) -> PeerRecord:
    peer = PeerId(number.to_bytes(32, "big"))
    return PeerRecord(peer, [f"/ip4/192.0.2.7/tcp/{port}/p2p/{peer}" for port in ports or (4001,)])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def neighbours(clock: Clock) -> Neighbours:
    return Neighbours(clock)


def test_what_was_heard_holds_for_its_lifetime(neighbours: Neighbours, clock: Clock) -> None:
    neighbours.hear("a", [record(1)], 120, all_of_them=True)
    clock.now += 119
    assert neighbours.records() == [record(1)]
    clock.now += 1
    assert neighbours.records() == []


def test_what_is_heard_again_holds_longer(neighbours: Neighbours, clock: Clock) -> None:
    neighbours.hear("a", [record(1)], 120, all_of_them=False)
    clock.now += 100
    neighbours.hear("a", [record(1)], 120, all_of_them=False)
    clock.now += 100
    assert neighbours.records() == [record(1)]


def test_no_record_holds_for_ever(neighbours: Neighbours, clock: Clock) -> None:
    neighbours.hear("a", [record(1)], 2.0**31, all_of_them=True)
    clock.now += MAX_AGE_S
    assert neighbours.records() == []


def test_a_good_bye_takes_back_one_record_or_all(neighbours: Neighbours) -> None:
    neighbours.hear("a", [record(1, 1), record(1, 2)], 120, all_of_them=False)
    neighbours.forget("a", record(1, 1))
    assert neighbours.records() == [record(1, 2)]
    neighbours.forget("a")
    neighbours.forget("a")
    assert neighbours.records() == []


def test_a_new_record_takes_the_place_of_those_before(neighbours: Neighbours) -> None:
    neighbours.hear("a", [record(1, 1), record(1, 2)], 120, all_of_them=True)
    neighbours.hear("a", [record(1, 3)], 120, all_of_them=True)
    assert neighbours.records() == [record(1, 3)]
    neighbours.hear("a", [], 120, all_of_them=True)
    assert neighbours.records() == []


def test_records_that_come_one_by_one_add_up(neighbours: Neighbours) -> None:
    for port in (1, 2, 3):
        neighbours.hear("a", [record(1, port)], 120, all_of_them=False)
    assert neighbours.records() == [record(1, 1, 2, 3)]


def test_a_peer_under_two_names_is_one_peer_and_the_newer_name_comes_first(neighbours: Neighbours) -> None:
    neighbours.hear("before", [record(1, 1)], 120, all_of_them=True)
    neighbours.hear("now", [record(1, 2)], 120, all_of_them=True)
    assert neighbours.records() == [record(1, 2, 1)]
    neighbours.forget("before")
    assert neighbours.records() == [record(1, 2)]


def test_a_stranger_cannot_fill_the_memory(neighbours: Neighbours) -> None:
    for number in range(3 * MAX_NAMES):
        neighbours.hear(f"name{number}", [record(number)], 120, all_of_them=True)
    found = neighbours.records()
    assert len(found) == MAX_NAMES
    assert record(3 * MAX_NAMES - 1) in found
    for port in range(1000):
        neighbours.hear("name0", [record(0, port)], 120, all_of_them=False)
    (addresses,) = (found.addresses for found in neighbours.records() if found.peer == record(0).peer)
    assert len(addresses) == MAX_ADDRESSES
    assert record(0, 999).addresses[0] in addresses
