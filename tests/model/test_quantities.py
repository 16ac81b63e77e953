"""Sizes and durations as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import InvalidInput
from plasm.model.quantities import format_age, format_duration, format_size, parse_age, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("7", 7), ("7B", 7), ("1kB", 1000), ("64MiB", 64 * 2**20), ("1.5 KiB", 1536), (" 2GiB ", 2**31)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "duration"), [("1ms", 1), ("2s", 2000), ("0.5s", 500), ("1.5m", 90_000), ("1h", 3_600_000)]
)
def test_durations(text: str, duration: int) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "1 2", "KiB", "0x10", "1.5B", "\u0661", "1" * 40, "1kb", "1.0000000001GiB"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_size(text)


@pytest.mark.parametrize("text", ["5", "1us", "0.1ms", "-1s", "s", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)


@given(st.integers(0, 2**50))
def test_what_is_shown_is_what_was_read(number: int) -> None:
    assert parse_size(format_size(number)) == number
    assert parse_duration(format_duration(number)) == number
    assert parse_age(format_age(number)) == number


def test_ages_may_be_in_days() -> None:
    assert parse_age("1.5d") == 36 * 3_600_000
    assert format_age(2 * 24 * 3_600_000) == "2d"


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_an_error(text: str) -> None:
    for parse in (parse_size, parse_duration):
        with contextlib.suppress(InvalidInput):
            assert parse(text) >= 0
