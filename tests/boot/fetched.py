"""Fetching the published system, as tests do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boot.published import FILES, NOW, WANTED, Heard, Publisher

from plasm_boot.fetching.http import Patience
from plasm_boot.fetching.search import Found, Search
from plasm_boot.sources import RepositorySource
from plasm_boot.trust.verification import TrustedRepository

ARTIFACTS = ("kernel", "initramfs", "rootfs")
PATIENT = Patience()
GENUINE = {name.removesuffix(".squashfs"): data for name, data in FILES.items()}


def search(publisher: Publisher, *sources: RepositorySource, heard: Heard | None = None, **options: Any) -> Found:
    asking = Search(TrustedRepository(publisher.root), *WANTED, report=heard or Heard(), **{"now": NOW, **options})
    for source in sources:
        asking.offer(source)
    asking.close()
    return asking.wait(30)


def contents(paths: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in paths.items()}
