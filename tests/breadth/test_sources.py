"""Sources come from where the machine's apt gets its packages, whichever way that is written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from breadth import sources

LINES = """
# deb http://mirror.invalid/debian old main
deb [arch=amd64 signed-by=/usr/share/keyrings/some.gpg] http://mirror.invalid/debian stable main contrib
  deb http://mirror.invalid/debian stable-updates main
deb-src http://mirror.invalid/debian stable main
"""
STANZAS = """
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: stable stable-updates
Components: main

Enabled: no
types: deb
URIs: http://other.invalid/debian
"""


def test_lines_of_packages_become_lines_of_sources() -> None:
    assert sources.for_sources(LINES, ".list").splitlines() == [
        "deb-src [arch=amd64 signed-by=/usr/share/keyrings/some.gpg] http://mirror.invalid/debian stable main contrib",
        "deb-src http://mirror.invalid/debian stable-updates main",
    ]


def test_stanzas_keep_all_but_their_types() -> None:
    changed = STANZAS.replace("Types: deb deb-src", "Types: deb-src").replace("types: deb\n", "Types: deb-src\n")
    assert sources.for_sources(STANZAS, ".sources") == changed


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sources.Unavailable, match="this machine has no apt-get"):
        sources.main(tmp_path / "sources")


def test_sources_that_are_there_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for package in sources.PACKAGES:
        (tmp_path / package).mkdir()
    sources.main(tmp_path)
