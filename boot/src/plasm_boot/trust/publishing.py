"""From a build to a channel: what was built becomes artifacts and a signed boot manifest for each mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from attrs import evolve, frozen
from tuf.api.metadata import Root

from plasm.errors import InvalidInput
from plasm_boot.errors import InvalidSystem
from plasm_boot.manifest import Artifact, BootManifest
from plasm_boot.system import SYSTEM, System, SystemFile
from plasm_boot.trust import layout
from plasm_boot.trust.keys import KeyFolder
from plasm_boot.trust.repository import FRESHNESS, Repository, publishing

LIFETIME: Final = timedelta(days=90)
"""How long a manifest may be booted, and so how long a machine can be kept from hearing of a newer one."""


@frozen
class Publication:
    """What readers see now: the manifests that are new, and the root that everything is signed under.

    ``ending_early`` names what ends before the timestamp does, and when: it was ordered so, or the key that would
    prolong it is not at hand.  ``awaited`` says what a newer root lacks, under which the next state may be signed.
    """

    manifests: tuple[BootManifest, ...]
    root: Root
    ending_early: Mapping[str, datetime]
    awaited: str


def publish(
    build: Path,
    repository: Path,
    keys: KeyFolder,
    channel: str,
    *,
    now: datetime,
    lifetime: timedelta = LIFETIME,
    freshness: timedelta = FRESHNESS,
) -> Publication:
    """Publish every system in the folders of ``build`` in ``channel``; readers see all of them at once.

    Each may be booted for ``lifetime``, by readers who were shown a state that is at most ``freshness`` old.  What
    else is published and would end before long is published anew, as by :func:`refresh`.

    Raises:
        InvalidSystem: a system's files are not those that it describes, two are for the same machines, or there is
            none.
        InvalidKeys, RootIncomplete: ``keys`` cannot sign.
        InvalidRepository: the repository is damaged, or was signed with other keys.
        UnwritableOutput: the repository cannot be written; it stays as it is.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    systems = _systems(build)
    keys.chain()  # before a folder is made for a repository that nobody could sign
    with publishing(repository):
        published = Repository(repository, keys)
        published.begin()
        manifests = []
        for folder, system in systems:
            before = published.manifest(channel, system.arch, system.mode)
            for file in _files(system):
                published.add_artifact(folder / file.name, file.sha256)
            manifests.append(
                BootManifest(
                    version=1 if before is None else before.version + 1,
                    channel=channel,
                    arch=system.arch,
                    mode=system.mode,
                    created_at=now,
                    expires_at=now + lifetime,
                    kernel=_artifact(system.files.kernel),
                    initramfs=_artifact(system.files.initramfs),
                    rootfs=_artifact(system.files.rootfs),
                    cmdline=system.cmdline,
                    dtbs={name: _artifact(file) for name, file in system.files.dtbs.items()},
                )
            )
            published.add_manifest(manifests[-1])
        return _commit(published, manifests, now, freshness)


def refresh(repository: Path, keys: KeyFolder, *, now: datetime, freshness: timedelta = FRESHNESS) -> Publication:
    """Show that what is published is still the newest: a new timestamp, and anew whatever would end before it.

    A manifest is published anew, with the same artifacts, when a third of its time is left, and sooner where it would
    end before the timestamp; not where the key of targets is elsewhere.

    Raises:
        InvalidInput: there is no repository.
        InvalidKeys, RootIncomplete, InvalidRepository, UnwritableOutput: as for :func:`publish`.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    if not (repository / layout.METADATA).is_dir():
        raise _nothing_published(repository)
    with publishing(repository):
        published = Repository(repository, keys)
        if not published.manifests():
            raise _nothing_published(repository)
        return _commit(published, [], now, freshness)


def _commit(published: Repository, manifests: list[BootManifest], now: datetime, freshness: timedelta) -> Publication:
    renewed = _renewed(published, now, freshness) if published.can_sign("targets") else []
    for manifest in renewed:
        published.add_manifest(manifest)
    published.commit(now, freshness)
    return Publication((*manifests, *renewed), published.root, published.ending_early(), published.awaited)


def _renewed(published: Repository, now: datetime, freshness: timedelta) -> list[BootManifest]:
    return [
        evolve(each, version=each.version + 1, created_at=now, expires_at=now + _lifetime(each))
        for each in published.manifests()
        if each.created_at < now and each.expires_at - now < max(_lifetime(each) / 3, freshness)
    ]


def _lifetime(manifest: BootManifest) -> timedelta:
    return manifest.expires_at - manifest.created_at


def _nothing_published(repository: Path) -> InvalidInput:
    return InvalidInput(f"{repository} is no repository", hint="make one with: plasm boot publish")


def _systems(build: Path) -> list[tuple[Path, System]]:
    folders = sorted(path.parent for path in build.glob(f"*/{SYSTEM}") if not path.parent.name.startswith("."))
    systems = [(folder, System.read(folder)) for folder in folders]
    if not systems:
        raise InvalidSystem(f"there is no system in {build}", hint="build one with: plasm boot build")
    seen: dict[tuple[str, str], Path] = {}
    for folder, system in systems:
        if other := seen.get((system.mode, system.arch)):
            raise InvalidSystem(
                f"{other} and {folder} are both {system.mode} for {system.arch}", hint="move one of them elsewhere"
            )
        seen[system.mode, system.arch] = folder
        for file in _files(system):
            if SystemFile.of(folder / file.name) != file:
                raise InvalidSystem(
                    f"{folder / file.name} is not the file that {folder / SYSTEM} describes", hint="build it again"
                )
    return systems


def _files(system: System) -> list[SystemFile]:
    files = system.files
    return [files.kernel, files.initramfs, files.rootfs, *files.dtbs.values()]


def _artifact(file: SystemFile) -> Artifact:
    return Artifact(hash=f"sha256:{file.sha256}", size=file.size, urls=(layout.artifact(file.sha256),))
