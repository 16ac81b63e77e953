"""Finds the newest system that verifies, and fetches it: from providers, from the boot medium, or as it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plasm.errors import InvalidInput, UnwritableOutput
from plasm_boot.fetching.downloads import download
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.fetching.http import HttpSource
from plasm_boot.fetching.search import Found, Search
from plasm_boot.fetching.store import ArtifactStore
from plasm_boot.linux import clock
from plasm_boot.settings import ImageSettings
from plasm_boot.stage1.discovery import looking
from plasm_boot.stage1.kept import RecordedSource
from plasm_boot.stage1.media import StatePartition
from plasm_boot.stage1.telling import Telling
from plasm_boot.trust.verification import TrustedRepository

IN_MEMORY: Final = Path("/run/phase/artifacts")
_SECONDS: Final = {"lan": 30.0, "internet": 120.0}
"""How long providers are looked for, by how far away they may be."""


def among_providers(trusted: TrustedRepository, settings: ImageSettings, telling: Telling) -> Found:
    """The newest system that verifies, from the providers that were named and those that discovery finds.

    Raises:
        NoProvider: none has one; the message says why.
    """
    search = _search(trusted, settings, telling)

    def offer(url: str) -> None:
        try:
            search.offer(RecordedSource(HttpSource(url)))
        except InvalidInput as error:
            telling.failed(error.message)

    for url in settings.providers:
        offer(url)
    if not settings.plugins.get("discovery"):
        search.close()
        return search.wait()
    with looking(settings, offer, telling.failed):
        return search.wait(_SECONDS[settings.network_scope])


def in_folder(trusted: TrustedRepository, settings: ImageSettings, telling: Telling, folder: Path) -> Found:
    """The system in a repository on this machine, on a medium or kept from before.

    Raises:
        NoProvider: there is none that verifies; the message says why.
    """
    search = _search(trusted, settings, telling)
    search.offer(FolderSource(folder))
    search.close()
    return search.wait()


def fetch(found: Found, state: StatePartition | None, telling: Telling) -> dict[str, Path]:
    """Where each artifact of the system that was found is now, by its name: on the partition with the ``state``, so
    that it need not be fetched again, or in memory.

    Raises:
        NoProvider: not all of it could be had.
    """
    if state is not None:
        kept = ArtifactStore(state.artifacts)
        digests = {artifact.sha256 for artifact in found.verified.manifest.artifacts.values()}
        try:
            files = download(found, kept, report=telling)
            kept.forget_all_but(digests)
            for source in found.sources:
                if isinstance(source, RecordedSource):
                    source.keep(state.repository)
        except (UnwritableOutput, OSError) as error:
            telling.failed(f"nothing can be kept: {error}")
            kept.forget_all_but(digests)
        else:
            return files
    return download(found, ArtifactStore(IN_MEMORY), report=telling)


def _search(trusted: TrustedRepository, settings: ImageSettings, telling: Telling) -> Search:
    return Search(trusted, settings.channel, settings.arch, settings.mode, now=clock.now(), report=telling)
