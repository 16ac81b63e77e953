"""Finding and fetching a system in stage 1, and the one that is kept for when no provider can be reached."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve
from boot.published import FILES, Publisher, flips_a_bit, serving

from plasm_boot.errors import NoProvider
from plasm_boot.settings import ImageSettings
from plasm_boot.stage1 import search
from plasm_boot.stage1.console import Console
from plasm_boot.stage1.media import StatePartition
from plasm_boot.stage1.telling import Telling
from plasm_boot.trust.verification import TrustedRepository

LOCAL = ImageSettings(
    mode="local",
    title="Local",
    channel="stable",
    arch="x86_64",
    built_at=datetime(2026, 1, 1, tzinfo=UTC),
    plugins={},
    persistent_identity=True,
    cache=True,
    writes=True,
    network_scope="lan",
)


class _Machine:
    """A machine's first stage as far as it looks for a system; ``said`` is what its console shows."""

    def __init__(self, publisher: Publisher, folder: Path) -> None:
        self.said = ""
        self.telling = Telling(Console(self._show, lambda: 0.0))
        self.state = StatePartition("uuid", folder / "tuf", folder, folder / "artifacts")
        self.trusted = TrustedRepository(publisher.root, self.state.memory)

    def _show(self, text: str) -> None:
        self.said += text


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    made.publish(now=datetime.now(UTC))
    return made


@pytest.fixture
def machine(publisher: Publisher, tmp_path: Path) -> _Machine:
    return _Machine(publisher, tmp_path / "state")


def test_a_system_comes_from_a_provider_that_was_named(publisher: Publisher, machine: _Machine) -> None:
    with serving(publisher.files()) as server:
        settings = evolve(LOCAL, providers=[server.url])
        found = search.among_providers(machine.trusted, settings, machine.telling)
        files = search.fetch(found, machine.state, machine.telling)
    assert {name: path.read_bytes() for name, path in files.items()} == {
        name.partition(".")[0]: data for name, data in FILES.items()
    }
    for line in (f"asking {server.url}", f"verified manifest from {server.url}", f"verified rootfs from {server.url}"):
        assert f"s] {line}\r\n" in machine.said


def test_what_was_booted_once_is_found_again_without_any_provider(publisher: Publisher, machine: _Machine) -> None:
    with serving(publisher.files()) as server:
        found = search.among_providers(machine.trusted, evolve(LOCAL, providers=[server.url]), machine.telling)
        search.fetch(found, machine.state, machine.telling)
    with pytest.raises(NoProvider, match="is not to be had"):
        search.among_providers(machine.trusted, evolve(LOCAL, providers=[server.url]), machine.telling)
    kept = search.in_folder(machine.trusted, LOCAL, machine.telling, machine.state.repository)
    assert kept.verified == evolve(found.verified, source_name=str(machine.state.repository))
    assert search.fetch(kept, machine.state, machine.telling)["kernel"].read_bytes() == FILES["kernel"]


def test_a_liar_is_named_with_what_is_wrong(publisher: Publisher, machine: _Machine) -> None:
    with serving(publisher.files()) as server:
        server.lies = {publisher.path_of(name): flips_a_bit for name in ("kernel", "initramfs", "rootfs")}
        found = search.among_providers(machine.trusted, evolve(LOCAL, providers=[server.url]), machine.telling)
        with pytest.raises(NoProvider, match="could not be had"):
            search.fetch(found, machine.state, machine.telling)
    assert (
        f"refused {server.url}: kernel from {server.url} is refused: its digest is not the signed one" in machine.said
    )
    assert list(machine.telling.refusals)


def test_an_address_that_is_none_is_told_and_passed_over(publisher: Publisher, machine: _Machine) -> None:
    with serving(publisher.files()) as server:
        settings = evolve(LOCAL, providers=["http://[::1", server.url])
        search.among_providers(machine.trusted, settings, machine.telling)
    assert "'http://[::1' is not the address of a provider" in machine.said


def test_a_medium_without_a_repository_has_no_system(machine: _Machine, tmp_path: Path) -> None:
    with pytest.raises(NoProvider, match="no provider has a system that verifies"):
        search.in_folder(machine.trusted, LOCAL, machine.telling, tmp_path / "nothing")
