"""What a machine does that could not boot, and what its menu offers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plasm_boot.linux import clock
from plasm_boot.stage1 import loader
from plasm_boot.stage1.init import ending
from plasm_boot.stage1.rescue import USUAL, Asking, Choice, Counting, menu, press, seconds_before_retry


def test_it_tries_again_later_each_time() -> None:
    assert [seconds_before_retry(failures) for failures in range(1, 9)] == [5, 10, 20, 40, 80, 160, 320, 320]
    assert seconds_before_retry(10**6) == 320


def test_it_tries_again_when_nobody_presses_a_key() -> None:
    state: Counting | Choice = Counting(3)
    shown = []
    while isinstance(state, Counting):
        shown.append(state.seconds)
        state = state.tick()
    assert shown == [3, 2, 1]
    assert state is Choice.RETRY


@pytest.mark.parametrize("key", ["x", " ", "\n", "\x1b", "s", "\x00"])
def test_any_key_stops_that_and_the_menu_waits(key: str) -> None:
    assert press(key, USUAL) == Asking()


@pytest.mark.parametrize("choice", USUAL)
def test_a_key_of_the_menu_is_its_choice_in_either_case(choice: Choice) -> None:
    assert press(choice.value, USUAL) is choice
    assert press(choice.value.upper(), USUAL) is choice


def test_a_shell_is_offered_only_by_an_image_that_was_built_with_one() -> None:
    assert not any("shell" in line for line in menu(USUAL))
    assert press("s", (*USUAL, Choice.SHELL)) is Choice.SHELL


def test_the_clock_is_never_before_what_has_passed_and_otherwise_left_alone() -> None:
    built = datetime(2026, 11, 24, tzinfo=UTC)
    assert clock.corrected(datetime(1970, 1, 1, tzinfo=UTC), built) == built
    assert clock.corrected(built + timedelta(seconds=1), built) is None


def test_a_process_that_was_ended_is_told_in_one_line() -> None:
    assert ending(9) == "stage 1 was ended by SIGKILL"
    assert ending(70 << 8) == "stage 1 ended with status 70"


def test_an_attempt_that_ended_in_order_is_followed_by_another() -> None:
    assert ending(75 << 8) is None


def test_other_modes_are_the_entries_of_the_boot_menu(tmp_path: Path) -> None:
    folder = tmp_path / "loader/entries"
    folder.mkdir(parents=True)
    (folder / "local.conf").write_text("title   Plasm: Local\nlinux /phase/local/kernel\n")
    (folder / "internet.conf").write_text("title Internet\nsort-key 02\n")
    (folder / "museum.conf").write_text("title Museum\nsort-key 01\n")
    (folder / "private.conf").write_bytes(b"linux /phase/kernel\noptions \xff\n")
    assert loader.entries(tmp_path) == [
        loader.MenuEntry("museum.conf", "Museum"),
        loader.MenuEntry("internet.conf", "Internet"),
        loader.MenuEntry("local.conf", "Plasm: Local"),
        loader.MenuEntry("private.conf", "private"),
    ]
    assert loader.entries(tmp_path / "nothing") == []
