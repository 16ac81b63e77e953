"""Whatever bytes a source has, the genuine manifest comes out or a refusal: no other error, and no other manifest.

``PLASM_FUZZ_EXAMPLES`` makes it try more.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plasm_boot")

from boot.published import NOW, WANTED, Publisher, Shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plasm_boot.errors import InvalidBootManifest, SourceFailed, Untrusted
from plasm_boot.manifest import BootManifest
from plasm_boot.trust.verification import TrustedRepository

pytestmark = pytest.mark.once

EXAMPLES = int(os.environ.get("PLASM_FUZZ_EXAMPLES", "400"))
bounded = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)

_Documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


class World:
    """A signed repository with a newer root, and what a machine takes from it."""

    def __init__(self, folder: Path) -> None:
        publisher = Publisher(folder)
        publisher.publish()
        publisher.keys.rotate("timestamp", expires=NOW.replace(year=2027), plugin="ed25519")
        publisher.publish()
        self.root = publisher.keys.chain()[0][0]
        self.files = publisher.files()
        self.genuine = self.files[publisher.path_of("manifest")]
        names = ("timestamp", "snapshot", "targets", "manifest")
        self.paths = ["metadata/2.root.json", *(publisher.path_of(name) for name in names)]

    def shows_nothing_else(self, lies: dict[str, bytes]) -> None:
        trusted = TrustedRepository(self.root)
        with contextlib.suppress(Untrusted, SourceFailed):
            assert trusted.manifest(Shown(self.files | lies), *WANTED, now=NOW).data == self.genuine
        # A liar has taught it nothing: the honest source is believed after it.
        assert trusted.manifest(Shown(self.files), *WANTED, now=NOW).data == self.genuine


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True, scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLASM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@bounded
@given(st.data())
def test_bytes_that_were_changed_anywhere(world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(world.paths))
    original = world.files[path]
    begin = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(begin, min(len(original), begin + data.draw(st.sampled_from([0, 1, 8, 10_000])))))
    piece = data.draw(
        st.binary(max_size=12) | st.sampled_from([b"", b'"', b"{", b"[" * 5000, b"1e999", b"\\ud800", b"-0"])
    )
    world.shows_nothing_else({path: original[:begin] + piece + original[end:]})


@bounded
@given(st.data())
def test_documents_of_another_shape(world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(world.paths))
    document = json.loads(world.files[path])
    place = document
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        deeper = place[key]
        if not isinstance(deeper, dict | list) or not deeper or data.draw(st.booleans()):
            break
        place = deeper
    if data.draw(st.booleans()):
        place[key] = data.draw(_Documents)
    else:
        del place[key]
    world.shows_nothing_else({path: json.dumps(document).encode()})


@bounded
@given(st.data())
def test_files_in_each_other_s_place(world: World, data: st.DataObject) -> None:
    paths = [path for path in world.files if not path.startswith("artifacts/")]
    lies = st.dictionaries(st.sampled_from([*paths, "metadata/3.root.json"]), st.sampled_from(paths), max_size=4)
    world.shows_nothing_else({place: world.files[other] for place, other in data.draw(lies).items()})


@bounded
@given(st.data())
def test_a_manifest_that_somebody_signed_is_one_or_is_refused(world: World, data: st.DataObject) -> None:
    document = json.loads(world.genuine)
    place = data.draw(st.sampled_from([document, document["artifacts"], document["artifacts"]["kernel"]]))
    place[data.draw(st.sampled_from(list(place)))] = data.draw(_Documents)
    try:
        manifest = BootManifest.from_bytes(json.dumps(document).encode())
    except InvalidBootManifest:
        return
    assert BootManifest.from_bytes(manifest.to_bytes()) == manifest
