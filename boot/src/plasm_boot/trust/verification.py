"""What a client checks before it believes a source: TUF's client workflow, and the boot manifest on top of it.

From the root metadata that the client was given, in this order (section 5 of the TUF specification):

1. each newer root, signed by the threshold of the one before it and by its own;
2. the timestamp: signed, not expired, not older than seen;
3. the snapshot: the one that the timestamp names, signed, not expired, naming nothing older than seen;
4. the targets: the ones that the snapshot names, signed, not expired;
5. the boot manifest: the one that the targets name, for the channel, architecture and mode that were asked for, not
   expired, not older than seen.

The decisions of 1 to 4 are python-tuf's ``TrustedMetadataSet``, and not its ``Updater``: that one believes the
machine's clock, asks one repository, and remembers a timestamp whose snapshot nobody has.  Here the time is told,
sources are asked side by side, and one that has not all of a state leaves no trace: only new roots are remembered at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from tuf.api.exceptions import (
    BadVersionNumberError,
    EqualVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.api.serialization import DeserializationError
from tuf.ngclient import UpdaterConfig
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

import plasm_boot.trust.signatures  # noqa: F401  makes Ed25519 keys verifiable
from plasm_boot.errors import InvalidBootManifest, SourceFailed, Untrusted
from plasm_boot.manifest import MAX_MANIFEST_BYTES, BootManifest, target_path
from plasm_boot.sources import RepositorySource
from plasm_boot.trust import layout
from plasm_boot.trust.metadata_store import MetadataStore, Remembered

LIMITS: Final = UpdaterConfig()


@frozen
class VerifiedManifest:
    """A manifest to boot by, its bytes as they were signed, and the name of the source that it came from."""

    manifest: BootManifest
    data: bytes
    source_name: str


class TrustedRepository:
    """The repository whose ``root`` metadata is pinned, whichever source shows it.  Threads may share one.

    ``memory`` is a folder for what was verified, so that nothing older is believed later; without one it is forgotten
    with this object.

    Raises:
        Untrusted: ``root`` is no root metadata that its own threshold signed.
    """

    def __init__(self, root: bytes, memory: Path | None = None) -> None:
        self._root = root
        self._memory = MetadataStore(memory)
        _pinned(root)

    def manifest(
        self, source: RepositorySource, channel: str, arch: str, mode: str, *, now: datetime
    ) -> VerifiedManifest:
        """The manifest that ``source`` has for this channel, architecture and mode, verified as of ``now``.

        Raises:
            Untrusted: something does not verify; the message names the file, the source and what is wrong.
            SourceFailed: the source does not give all that is needed.
            UnwritableOutput: what was verified cannot be remembered.
        """
        path = target_path(channel, arch, mode)
        while True:
            before = self._memory.recall()
            reading = _Reading(self._root, before, source, now)
            for version, data in reading.follow_roots():
                self._memory.learn_root(version, data)
            reading.follow_roles()
            data = reading.target(path)
            manifest = _manifest(data, source, path)
            if (manifest.channel, manifest.arch, manifest.mode) != (channel, arch, mode):
                raise _untrusted(
                    source,
                    path,
                    f"it is for {manifest.channel}/{manifest.arch}/{manifest.mode}, not {channel}/{arch}/{mode}",
                )
            if manifest.expires_at <= now:
                raise _untrusted(source, path, _expired(manifest.expires_at))
            versions = reading.seen_versions()
            if manifest.version < (seen := versions.get(path, 0)):
                raise _untrusted(source, path, f"it is version {manifest.version}, and version {seen} was seen")
            if self._memory.learn(before, reading.roles, {**versions, path: manifest.version}):
                return VerifiedManifest(manifest, data, source.name)


def _pinned(root: bytes) -> TrustedMetadataSet:
    try:
        return TrustedMetadataSet(root, LIMITS.envelope_type)
    except RepositoryError as error:
        raise Untrusted(
            f"the pinned root metadata is refused: {_why(error, Root.type, root, None)}",
            hint="give the root.json of the keys that sign the repository",
        ) from None


class _Reading:
    """One source's metadata as far as it verifies; ``roles`` is the metadata in use, by role."""

    def __init__(self, root: bytes, before: Remembered, source: RepositorySource, now: datetime) -> None:
        self._trusted = _pinned(root)
        self._trusted.reference_time = now
        self._before = before
        self._source = source
        self._now = now
        self.roles: dict[str, bytes] = {}

    def follow_roots(self) -> Iterator[tuple[int, bytes]]:
        """Load each newer root, and tell of those that were not known, with their versions."""
        first = self._trusted.root.version + 1
        for version in range(first, first + LIMITS.max_root_rotations):
            with suppress(RepositoryError, KeyError):
                self._trusted.update_root(self._before.roots[version])
                continue
            path = layout.versioned(Root.type, version)
            data = self._source.read(path, LIMITS.root_max_length)
            if data is None:
                break
            self._load(path, Root.type, data, self._trusted.update_root)
            yield version, data
        if self._trusted.root.is_expired(self._now):
            path = layout.versioned(Root.type, self._trusted.root.version)
            raise _untrusted(self._source, path, _expired(self._trusted.root.expires))

    def follow_roles(self) -> None:
        """Load timestamp, snapshot and targets, from memory what is still in force."""
        self._timestamp()
        snapshot = self._trusted.timestamp.snapshot_meta
        if not self._remembered("snapshot", lambda data: self._trusted.update_snapshot(data, trusted=True)):
            limit = snapshot.length or LIMITS.snapshot_max_length
            self._fetch("snapshot", snapshot.version, limit, self._trusted.update_snapshot)
        if not self._remembered("targets", self._trusted.update_targets):
            targets = self._trusted.snapshot.meta.get("targets.json")
            if targets is None:
                path = layout.versioned("snapshot", snapshot.version)
                raise _untrusted(self._source, path, "it does not name targets.json")
            limit = targets.length or LIMITS.targets_max_length
            self._fetch("targets", targets.version, limit, self._trusted.update_targets)

    def target(self, path: str) -> bytes:
        """The target that is called ``path``."""
        info: TargetFile | None = self._trusted.targets.targets.get(path)
        if info is None:
            has = ", ".join(sorted(self._trusted.targets.targets)[:8]) or "nothing"
            raise SourceFailed(f"{self._source.name} does not publish {path}", hint=f"it has {has}")
        if "sha256" not in info.hashes:
            raise _untrusted(self._source, path, "its SHA-256 is not signed")
        where = layout.target(path, info.hashes["sha256"])
        data = self._read(where, min(info.length, MAX_MANIFEST_BYTES))
        try:
            info.verify_length_and_hashes(data)
        except LengthOrHashMismatchError as error:
            raise _untrusted(self._source, where, _why(error, "", data, None)) from None
        return data

    def seen_versions(self) -> Mapping[str, int]:
        """The manifests' versions that were seen, by target path; none once the key that signed them was replaced.

        A thief may have chosen them so high that nothing honest could follow: section 5.3.11 of the specification
        forgets timestamps and snapshots for that reason.
        """
        data = self._before.roles.get("targets")
        return self._before.versions if data is not None and _signed(self._trusted.root, "targets", data) else {}

    def _timestamp(self) -> None:
        self._remembered("timestamp", self._trusted.update_timestamp)
        data = self._read(layout.TIMESTAMP, LIMITS.timestamp_max_length)
        with suppress(EqualVersionNumberError):
            self._load(layout.TIMESTAMP, "timestamp", data, self._trusted.update_timestamp)
            self.roles["timestamp"] = data
        # The remembered one may be in force, and no check of its own says that it has expired since.
        if self._trusted.timestamp.is_expired(self._now):
            raise _untrusted(self._source, layout.TIMESTAMP, _expired(self._trusted.timestamp.expires))

    def _remembered(self, role: str, update: Callable[[bytes], object]) -> bool:
        """Load what is remembered of ``role``; whether it is in force.  What is not still guards against older."""
        data = self._before.roles.get(role)
        if data is None:
            return False
        loaded = False
        with suppress(RepositoryError):
            update(data)
            loaded = True
        if role in {signed.type for signed in self._trusted}:
            self.roles[role] = data
        return loaded

    def _fetch(self, role: str, version: int, limit: int, update: Callable[[bytes], object]) -> None:
        path = layout.versioned(role, version)
        data = self._read(path, limit)
        self._load(path, role, data, update)
        self.roles[role] = data

    def _load(self, path: str, role: str, data: bytes, update: Callable[[bytes], object]) -> None:
        try:
            update(data)
        except EqualVersionNumberError:
            raise
        except RepositoryError as error:
            raise _untrusted(self._source, path, _why(error, role, data, self._trusted)) from None

    def _read(self, path: str, limit: int) -> bytes:
        data = self._source.read(path, limit)
        if data is None:
            raise SourceFailed(f"{self._source.name} has no {path}", hint="ask another provider")
        return data


def _signed(root: Root, role: str, data: bytes) -> bool:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        return bool(root.get_verification_result(role, metadata.signed_bytes, metadata.signatures))
    except RepositoryError:
        return False


def _manifest(data: bytes, source: RepositorySource, path: str) -> BootManifest:
    try:
        return BootManifest.from_bytes(data)
    except InvalidBootManifest as error:
        raise _untrusted(source, path, error.message) from None


def _untrusted(source: RepositorySource, path: str, why: str) -> Untrusted:
    return Untrusted(f"{path} from {source.name} is refused: {why}", hint="ask another provider, or its operator")


def _expired(moment: datetime) -> str:
    return f"it expired on {moment:%Y-%m-%d at %H:%M} UTC"


def _why(error: RepositoryError, role: str, data: bytes, trusted: TrustedMetadataSet | None) -> str:
    """What is wrong with ``data``, in words; it is what ``error`` was raised for."""
    if isinstance(error, DeserializationError):
        return "it is not TUF metadata"
    if isinstance(error, LengthOrHashMismatchError):
        return f"it is not the file that was signed: {error}"
    metadata: Metadata[Any] = Metadata.from_bytes(data)
    if isinstance(error, ExpiredMetadataError):
        return _expired(metadata.signed.expires)
    if isinstance(error, UnsignedMetadataError):
        return _signatures(metadata, role, trusted)
    if isinstance(error, BadVersionNumberError) and role == "timestamp" and trusted is not None:
        seen = trusted.timestamp.version
        return f"it offers version {metadata.signed.version} of timestamp, and version {seen} was seen"
    return str(error)


def _signatures(metadata: Metadata[Any], role: str, trusted: TrustedMetadataSet | None) -> str:
    signers = [trusted.root] if trusted is not None else []
    if isinstance(metadata.signed, Root):
        signers.append(metadata.signed)
    for root in signers:
        result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        if not result:
            by = f"version {root.version} of root"
            return f"it has {len(result.signed)} of the {result.threshold} signatures that {by} asks for"
    return "it is not signed"
