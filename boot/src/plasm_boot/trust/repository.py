"""A repository as its publisher has it: what is signed now, and a next state that replaces it at one stroke.

Everything has its place before ``timestamp.json`` is renamed into its own, and nothing that a former state names is
touched.  So a reader sees the old state or the new one, and a crash leaves the old one, from which the next state
begins again.  Where root has changed, the new state is signed by the former keys too as far as they are at hand:
whoever has not followed to the new root yet, believes it as well.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from plasm.files import unfinished
from plasm_boot.errors import InvalidKeys, InvalidRepository
from plasm_boot.manifest import BootManifest, target_path
from plasm_boot.trust import layout
from plasm_boot.trust import root as roots
from plasm_boot.trust.keys import KeyFolder
from plasm_boot.trust.locking import locked
from plasm_boot.trust.public_files import (
    clear_unfinished,
    make_public_folder,
    open_to_everybody,
    write_public,
    writing,
)

FRESHNESS: Final = timedelta(days=14)
"""How long snapshot and timestamp hold, and so how long a reader can be shown a former state."""

_BEGUN: Final = ".begun"
"""There until the first state is: a repository without both it and a timestamp has lost the timestamp."""
_FOLDERS: Final = (layout.METADATA, layout.TARGETS, layout.ARTIFACTS)

_Payload = TypeVar("_Payload", Targets, Snapshot, Timestamp)


class Repository:
    """The repository in ``folder``, for whoever holds its lock: see :func:`publishing`.

    It is signed under the newest root that has all its signatures.

    Raises:
        InvalidKeys, RootIncomplete: ``keys`` have no root that is complete.
        InvalidRepository: what is there is damaged, or was signed with other keys.
    """

    def __init__(self, folder: Path, keys: KeyFolder) -> None:
        self._folder = folder
        self._keys = {key.id: key.signer for key in keys.held()}
        self._chain = keys.chain()
        self.awaited = roots.awaited([root for _, root in self._chain])
        """What a newer root lacks before anything is signed under it, in words."""
        if self.awaited:
            self._chain.pop()
        roots.require_complete(root for _, root in self._chain)
        self._root = self._chain[-1][1].signed
        self._known_root = self._published_root()
        self._timestamp: Metadata[Timestamp] | None = None
        self._snapshot: Metadata[Snapshot] | None = None
        self._targets: Metadata[Targets] | None = None
        self._load_state()

    @property
    def root(self) -> Root:
        """The root that the next state is signed under."""
        return self._root

    def manifest(self, channel: str, arch: str, mode: str) -> BootManifest | None:
        """What is published for this channel, architecture and mode."""
        path = target_path(channel, arch, mode)
        info = self._targets.signed.targets.get(path) if self._targets is not None else None
        return None if info is None else self._manifest(path, info)

    def manifests(self) -> list[BootManifest]:
        """Everything in the next state."""
        return [self._manifest(path, info) for path, info in sorted(self._next_listed().items())]

    def can_sign(self, role: str) -> bool:
        """Whether enough of the keys of ``role`` are at hand."""
        entitled = self._root.roles[role]
        return len(entitled.keyids & self._keys.keys()) >= entitled.threshold

    def ending_early(self) -> dict[str, datetime]:
        """What readers need of the present state and that ends before its timestamp does, and when."""
        if self._timestamp is None or self._snapshot is None:
            return {}
        manifests = {f"{each.channel}/{each.arch}/{each.mode}": each.expires_at for each in self.manifests()}
        ends = {"root": self._root.expires, "snapshot": self._snapshot.signed.expires, **manifests}
        return {what: end for what, end in ends.items() if end < self._timestamp.signed.expires}

    def begin(self) -> None:
        """Leave word that a first state is being made, so that one which broke off can be made again.

        Raises:
            UnwritableOutput: it cannot be written.
        """
        if self._timestamp is None:
            with writing(self._folder):
                write_public(self._folder / _BEGUN, b"")

    def add_artifact(self, source: Path, sha256: str) -> None:
        """Have the file at ``source`` among the artifacts; it is linked where that can be, else copied.

        Raises:
            InvalidRepository: it has not the digest ``sha256`` any more.
            UnwritableOutput: it cannot be written.
        """
        place = self._folder / layout.artifact(sha256)
        with writing(self._folder):
            make_public_folder(place.parent)
            if place.is_file() and not place.is_symlink() and _sha256(place) == sha256:
                return
            temporary = unfinished(place)
            try:
                _link_or_copy(source, temporary)
                if _sha256(temporary) != sha256:
                    raise InvalidRepository(f"{source} changed while it was published", hint="publish again")
                temporary.replace(place)
            finally:
                temporary.unlink(missing_ok=True)

    def add_manifest(self, manifest: BootManifest) -> None:
        """Have ``manifest`` in the next state, in place of the one for its channel, architecture and mode.

        Raises:
            UnwritableOutput: it cannot be written.
        """
        path, data = target_path(manifest.channel, manifest.arch, manifest.mode), manifest.to_bytes()
        info = TargetFile.from_data(path, data, ["sha256"])
        with writing(self._folder):
            write_public(self._folder / layout.target(path, info.hashes["sha256"]), data)
        self._new[path] = info

    def commit(self, now: datetime, freshness: timedelta = FRESHNESS) -> None:
        """Sign the next state, which holds for ``freshness`` until it is signed again, and let readers see it.
        Timestamps are always new, the rest where it would end sooner; see :meth:`ending_early` for what still does.

        Raises:
            InvalidKeys: a role's key is not at hand.
            UnwritableOutput: it cannot be written; the present state stays.
        """
        if self._root.is_expired(now):
            raise InvalidKeys(
                f"version {self._root.version} of root has expired, and nobody believes what it vouches for",
                hint=f"have the next one signed, it lacks {self.awaited}"
                if self.awaited
                else "renew it with: plasm boot keys renew KEYS/",
            )
        files: dict[str, bytes] = {}
        targets = self._next_targets(now, files)
        until = now + freshness
        snapshot = self._next_snapshot(now, until, targets, files)
        timestamp = Timestamp(
            version=1 if self._timestamp is None else self._timestamp.signed.version + 1,
            expires=until,
            snapshot_meta=snapshot,
        )
        last = self._signed(timestamp)
        with writing(self._folder):
            for path, data in files.items():
                write_public(self._folder / path, data)
            first_time = self._timestamp is None
            if first_time:
                self._write_roots()
            write_public(self._folder / layout.TIMESTAMP, last)
            if not first_time:
                self._write_roots()
            (self._folder / _BEGUN).unlink(missing_ok=True)
        self._load_state()

    def _load_state(self) -> None:
        self._new: dict[str, TargetFile] = {}
        if not (self._folder / layout.TIMESTAMP).exists():
            if not (self._folder / _BEGUN).exists() and any((self._folder / each).exists() for each in _FOLDERS):
                raise self._damaged(layout.TIMESTAMP, "it is missing, and the rest of a publication is there")
            return
        self._timestamp = self._load(layout.TIMESTAMP, Timestamp)
        version = self._timestamp.signed.snapshot_meta.version
        self._snapshot = self._load(layout.versioned("snapshot", version), Snapshot)
        version = self._snapshot.signed.meta["targets.json"].version
        self._targets = self._load(layout.versioned("targets", version), Targets)

    def _next_listed(self) -> dict[str, TargetFile]:
        return {**({} if self._targets is None else self._targets.signed.targets), **self._new}

    def _next_targets(self, now: datetime, files: dict[str, bytes]) -> MetaFile:
        present = self._targets
        if present is not None and not self._new and self._holds(present):
            return self._described(present)
        return self._next(
            Targets(
                version=1 if present is None else present.signed.version + 1,
                # Each manifest has an expiry of its own, which is looked at too.
                expires=max((each.expires_at for each in self.manifests()), default=now),
                targets=self._next_listed(),
            ),
            files,
        )

    def _next_snapshot(self, now: datetime, until: datetime, targets: MetaFile, files: dict[str, bytes]) -> MetaFile:
        present = self._snapshot
        # Whoever cannot sign it anew keeps it as long as it is any good.
        needed = until if self.can_sign("snapshot") else now
        if (
            present is not None
            and present.signed.meta["targets.json"] == targets
            and present.signed.expires >= needed
            and self._holds(present)
        ):
            return self._described(present)
        version = 1 if present is None else present.signed.version + 1
        return self._next(Snapshot(version=version, expires=until, meta={"targets.json": targets}), files)

    def _next(self, payload: Targets | Snapshot, files: dict[str, bytes]) -> MetaFile:
        data = self._signed(payload)
        files[layout.versioned(payload.type, payload.version)] = data
        return MetaFile.from_data(payload.version, data, ["sha256"])

    def _described(self, present: Metadata[Any]) -> MetaFile:
        path = layout.versioned(present.signed.type, present.signed.version)
        return MetaFile.from_data(present.signed.version, self._read(path), ["sha256"])

    def _holds(self, metadata: Metadata[Any]) -> bool:
        return _signed_under(self._root, metadata)

    def _signed(self, payload: Targets | Snapshot | Timestamp) -> bytes:
        metadata: Metadata[Any] = Metadata(payload)
        role = payload.type
        for keyid in {*self._known_root.roles[role].keyids, *self._root.roles[role].keyids} & self._keys.keys():
            metadata.signatures[keyid] = self._keys[keyid].sign(metadata.signed_bytes)
        if not self._holds(metadata):
            raise InvalidKeys(f"no key at hand may sign {role}", hint=f"put the folder {role}-<n> back among the keys")
        return metadata.to_bytes()

    def _published_root(self) -> Root:
        """The newest root in the repository; the newest of all where it has none."""
        known = self._root
        for data, root in self._chain:
            path = self._folder / layout.versioned("root", root.signed.version)
            if path.exists():
                if path.read_bytes() != data:
                    raise InvalidRepository(
                        f"{path} is not the root of these keys", hint="give the keys that the repository began with"
                    )
                known = root.signed
        newer = self._folder / layout.versioned("root", self._root.version + 1)
        if newer.exists():
            raise InvalidRepository(
                f"{newer} is newer than any complete root of these keys",
                hint="give the newest keys, with all signatures",
            )
        return known

    def _write_roots(self) -> None:
        for data, root in self._chain:
            path = self._folder / layout.versioned("root", root.signed.version)
            if not path.exists():
                write_public(path, data)

    def _load(self, path: str, kind: type[_Payload]) -> Metadata[_Payload]:
        try:
            metadata: Metadata[_Payload] = Metadata.from_bytes(self._read(path))
            if not isinstance(metadata.signed, kind):
                raise RepositoryError(f"it is metadata of {metadata.signed.type}")
            if not any(_signed_under(root, metadata) for root in (self._known_root, self._root)):
                raise RepositoryError("these keys did not sign it")
        except RepositoryError as error:
            raise self._damaged(path, str(error)) from None
        return metadata

    def _manifest(self, path: str, info: TargetFile) -> BootManifest:
        where = layout.target(path, info.hashes["sha256"])
        data = self._read(where)
        try:
            info.verify_length_and_hashes(data)
        except LengthOrHashMismatchError as error:
            raise self._damaged(where, str(error)) from None
        return BootManifest.from_bytes(data)

    def _read(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise self._damaged(path, error.strerror or "it cannot be read") from None

    def _damaged(self, path: str, why: str) -> InvalidRepository:
        return InvalidRepository(
            f"{self._folder / path} is damaged: {why}",
            hint="restore it; or rotate the keys of timestamp, snapshot and targets, and publish into a new one",
        )


def _signed_under(root: Root, metadata: Metadata[Any]) -> bool:
    result = root.get_verification_result(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    return result.verified


@contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Be the only publisher of the repository in ``folder``, which is made where it is missing; wait for another.

    What publishers left half-written that were killed is removed.

    Raises:
        UnwritableOutput: it cannot be made or written.
    """
    with writing(folder):
        make_public_folder(folder)
    with locked(folder):
        with writing(folder):
            for each in _FOLDERS:
                clear_unfinished(folder / each)
        yield


def _link_or_copy(source: Path, place: Path) -> None:
    """Have at ``place``, durably, what is at ``source``; what others may not read is not linked but copied."""
    try:
        if not source.stat().st_mode & stat.S_IROTH:
            raise PermissionError(errno.EPERM, "not for everybody")
        os.link(source.resolve(), place)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(source, place)
        open_to_everybody(place)
    with place.open("rb") as file:
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
