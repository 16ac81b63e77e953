"""The world of these tests: PHP, where it is, and the command ``plasm`` as a PHP program finds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sdk.available import SDK, Php, needs

from world import ROOT, plasm_environment


@pytest.fixture
def run(tmp_path: Path) -> Php:
    """Runs a command with ``plasm`` on its path; what Composer keeps, it keeps in this test's folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    wrapper = folder / "plasm"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m plasm "$@"\n')
    wrapper.chmod(0o755)
    env = plasm_environment(
        PLASM_EXAMPLES=str(ROOT / "examples"),
        PATH=f"{folder}:{os.environ['PATH']}",
        COMPOSER_HOME=str(tmp_path / "composer"),
        COMPOSER_ALLOW_SUPERUSER="1",
        COMPOSER_DISABLE_NETWORK="1",
        COMPOSER_NO_INTERACTION="1",
    )

    def run(*command: object, **settings: object) -> subprocess.CompletedProcess[str]:
        if "input" not in settings:
            settings.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [*map(str, command)], env=env, capture_output=True, text=True, timeout=300, check=False, **settings
        )

    return run


@pytest.fixture
def examples(run: Php, tmp_path: Path) -> Path:
    """The PHP examples with the SDK installed by Composer, in a copy of this test's own."""
    needs("composer")
    folder = tmp_path / "examples" / "php"
    shutil.copytree(ROOT / "examples" / "php", folder, ignore=shutil.ignore_patterns("vendor", "composer.lock"))
    (tmp_path / "sdk").symlink_to(SDK.parent)
    done = run("composer", "install", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder
