"""A job's input on its way to a worker or to a peer."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from plasm.errors import UnreadableInput
from plasm.jobs.input import ReplayableInput, StdinSource


@pytest.mark.parametrize("kind", [StdinSource, ReplayableInput])
def test_a_folder_or_a_closed_descriptor_is_refused_at_once(tmp_path: Path, kind: Callable[[int], object]) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UnreadableInput, match="stdin is a folder"):
        kind(folder)
    os.close(folder)
    with pytest.raises(UnreadableInput, match="stdin cannot be read: Bad file descriptor"):
        kind(folder)


def test_input_is_sent_again_as_it_was_read() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"abcdef")
    os.close(theirs)
    with ReplayableInput(ours) as given:
        assert [given.read(0, 4), given.read(4, 4), given.read(6, 4)] == [b"abcd", b"ef", b""]
        assert given.read(1, 3) == b"bcd"
        assert given.digest(2) == hashlib.sha256(b"ab").hexdigest()
        assert given.digest(7) is None
    os.close(ours)


def test_two_that_wait_for_the_same_part_both_get_it() -> None:
    """The thread of an attempt that has ended may still wait when the next one begins."""
    ours, theirs = os.pipe()
    read: list[bytes] = []
    with ReplayableInput(ours) as given:
        readers = [threading.Thread(target=lambda: read.append(given.read(0, 10)), daemon=True) for _ in range(2)]
        for reader in readers:
            reader.start()
        os.write(theirs, b"one,")
        for reader in readers:
            reader.join(timeout=20)
        assert read == [b"one,", b"one,"]
    os.close(ours)
    os.close(theirs)


def test_input_from_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    read: list[bytes] = []
    with ReplayableInput(ours) as given:
        reader = threading.Thread(target=lambda: read.append(given.read(0, 10)))
        reader.start()
        os.write(theirs, b"late")
        reader.join()
    assert read == [b"late"]
    os.close(ours)
    os.close(theirs)
