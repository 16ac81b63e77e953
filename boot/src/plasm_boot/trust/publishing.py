"""From a build to a channel: what was built becomes artifacts and a signed boot manifest for each mode."""

from __future__ import annotations

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
from plasm_boot.trust.repository import FRESHNESS, Repository, locked

LIFETIME: Final = timedelta(days=90)
"""How long a manifest may be booted, and so how long a machine can be kept from hearing of a newer one."""


@frozen
class Publication:
    """What readers see now: the manifests that are new, and the root that everything is signed under."""

    manifests: tuple[BootManifest, ...]
    root: Root


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

    Each may be booted for ``lifetime``, by readers who were shown a state that is at most ``freshness`` old.

    Raises:
        InvalidSystem: a system's files are not those that it describes, or there is no system.
        InvalidKeys, RootIncomplete: ``keys`` cannot sign.
        InvalidRepository: the repository is damaged, or was signed with other keys.
        UnwritableOutput: the repository cannot be written; it stays as it is.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    systems = _systems(build)
    keys.chain()  # before a folder is made for a repository that nobody could sign
    with locked(repository):
        published = Repository(repository, keys)
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
        published.commit(now, freshness)
    return Publication(tuple(manifests), published.root)


def refresh(repository: Path, keys: KeyFolder, *, now: datetime, freshness: timedelta = FRESHNESS) -> Publication:
    """Show that what is published is still the newest: a new timestamp, and anew whatever would expire before long.

    A manifest has a third of its time left at most when it is published anew, with the same artifacts.

    Raises:
        InvalidKeys, RootIncomplete, InvalidRepository, UnwritableOutput: as for :func:`publish`.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    if not (repository / layout.TIMESTAMP).is_file():
        raise InvalidInput(f"{repository} is no repository", hint="make one with: plasm boot publish")
    with locked(repository):
        published = Repository(repository, keys)
        renewed = [
            evolve(each, version=each.version + 1, created_at=now, expires_at=now + (each.expires_at - each.created_at))
            for each in published.manifests()
            if each.expires_at - now < (each.expires_at - each.created_at) / 3
        ]
        for manifest in renewed:
            published.add_manifest(manifest)
        published.commit(now, freshness)
    return Publication(tuple(renewed), published.root)


def _systems(build: Path) -> list[tuple[Path, System]]:
    systems = [(path.parent, System.read(path.parent)) for path in sorted(build.glob(f"*/{SYSTEM}"))]
    if not systems:
        raise InvalidSystem(f"there is no system in {build}", hint="build one with: plasm boot build")
    for folder, system in systems:
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
