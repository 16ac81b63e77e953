"""A peer is named by an address that ends in its id, the same way everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from plasm.config import Config
from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput
from plasm.model import PeerId


def peer_address(where: str = "/dns/example.org/tcp/4001") -> tuple[PeerId, str]:
    peer = PeerId(bytes(range(32)))
    return peer, f"{where}/p2p/{peer}"


def test_a_peers_record_comes_of_its_address() -> None:
    peer, address = peer_address()
    assert PeerRecord.parse(address) == PeerRecord(peer, (address,))


@pytest.mark.parametrize("where", ["", "example.org:4001", "x"])
def test_an_address_without_a_place_is_refused(where: str) -> None:
    _, address = peer_address(where)
    with pytest.raises(InvalidInput, match="is not the address of a peer") as refused:
        PeerRecord.parse(address)
    assert "/p2p/" in refused.value.hint


@pytest.mark.parametrize("address", ["", "/ip4/192.0.2.7/tcp/4001", "/ip4/192.0.2.7/tcp/4001/p2p/"])
def test_an_address_without_a_peer_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        PeerRecord.parse(address)


def test_peers_to_begin_with_are_added_to_those_of_the_configuration(tmp_path: Path) -> None:
    _, ours = peer_address()
    _, theirs = peer_address("/ip4/192.0.2.7/tcp/4001")
    config = Config.from_environment({"PLASM_HOME": str(tmp_path), "PLASM_BOOTSTRAP": ours})
    assert config.with_bootstrap([theirs]).bootstrap == (ours, theirs)


def test_a_peer_to_begin_with_that_is_none_is_refused_whoever_named_it(tmp_path: Path) -> None:
    _, theirs = peer_address()
    config = Config.from_environment({"PLASM_HOME": str(tmp_path), "PLASM_BOOTSTRAP": "somewhere"})
    with pytest.raises(InvalidInput, match="somewhere"):
        config.with_bootstrap([theirs])
