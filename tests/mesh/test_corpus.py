"""What a fuzzer once found interesting is still a message or a violation."""

from __future__ import annotations

from pathlib import Path

from mesh.fuzz import one_input

CORPUS = sorted(Path(__file__).with_name("corpus").iterdir())


def test_everything_in_the_corpus_is_a_message_or_a_violation() -> None:
    assert len(CORPUS) > 40
    for path in CORPUS:
        one_input(path.read_bytes())
