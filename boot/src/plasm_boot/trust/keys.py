"""A folder of keys: ``KEYS/<role>-<n>/`` for each key that is at hand, and the root metadata that lists them all.

Each key is made and held by a signing plugin, whose data lies in the key's own folder, so that a root key can be moved
to another machine by moving its folder.  ``root.json`` is the newest root, complete or not; an earlier version is
``<version>.root.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from attrs import evolve, frozen
from securesystemslib.signer import Key
from tuf.api.metadata import Root

from plasm.config import Config
from plasm.errors import IdentityMissing, UnreadableInput
from plasm.files import write_atomically
from plasm.plugins import PluginHost, PluginKind
from plasm_boot.errors import InvalidKeys, KeysExist, RootIncomplete
from plasm_boot.trust import root as roots
from plasm_boot.trust.locking import locked
from plasm_boot.trust.public_files import write_public, writing
from plasm_boot.trust.root import ROLES, RootMetadata
from plasm_boot.trust.signatures import PluginSigner

ROOT: Final = "root.json"
_PLUGIN: Final = "plugin"
_MAX_BYTES: Final = 512 * 1024


@frozen
class HeldKey:
    """A key at hand: the ``folder`` that it is in, and what signs with it."""

    folder: Path
    signer: PluginSigner

    @property
    def id(self) -> str:
        """Its id in TUF's metadata."""
        return self.signer.public_key.keyid


def held_key(folder: Path, config: Config) -> HeldKey:
    """The key in ``folder``.

    Raises:
        InvalidKeys: there is none.
        PlasmError: its plugin is not installed, or cannot use it.
    """
    try:
        plugin = (folder / _PLUGIN).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidKeys(f"there is no key in {folder}", hint="give a folder like keys/root-1") from None
    try:
        return HeldKey(folder, PluginSigner(_host(folder, config).signer(plugin)))
    except IdentityMissing as error:
        raise InvalidKeys(f"the key in {folder} is gone: {error.message}", hint="restore it from a backup") from None


class KeyFolder:
    """The keys in the folder ``path``."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self._config = config

    def create(self, *, root_keys: int, root_threshold: int, expires: datetime, plugin: str | None) -> RootMetadata:
        """Make the first keys, so many for root and one for each other role, and the root metadata that says so.

        Raises:
            KeysExist: there are keys already.
            InvalidKeys: no such threshold can be met.
            UnwritableOutput: the folder cannot be written.
            PlasmError: the signing plugin called ``plugin``, or the usual one, cannot make keys.
        """
        if not 1 <= root_threshold <= root_keys:
            raise InvalidKeys(f"{root_threshold} of {root_keys} keys cannot sign", hint="give a smaller threshold")
        for path in (self.path / ROOT, *self._taken()):
            if path.exists():
                raise KeysExist(f"{path} is there already", hint="give another folder; keys are never overwritten")
        made = {role: self._make(role, root_keys if role == "root" else 1, plugin) for role in ROLES}
        root = roots.first(_public(made), root_threshold, expires)
        _sign(root, made["root"])
        with writing(self.path):
            write_public(self.path / ROOT, root.to_bytes(), replace=False)
        return root

    def rotate(self, role: str, *, expires: datetime, plugin: str | None) -> RootMetadata:
        """Give ``role`` as many new keys as it has, in a new version of root; the old keys stay in the folder.

        The new root is signed by the root keys at hand; it may lack signatures still.

        Raises:
            RootIncomplete: the present root lacks signatures.
            UnwritableOutput, PlasmError: as for :meth:`create`.
        """
        with _changing(self.path / ROOT):
            present = self._complete_root()
            made = {role: self._make(role, len(present.roles[role].keyids), plugin)}
            return self._succeed(present, expires, _public(made))

    def renew(self, *, expires: datetime) -> RootMetadata:
        """A new version of root with the same keys that expires later; as for :meth:`rotate`."""
        with _changing(self.path / ROOT):
            return self._succeed(self._complete_root(), expires, {})

    def chain(self) -> list[tuple[bytes, RootMetadata]]:
        """Every version of root, oldest first, as bytes and as metadata; the newest may lack signatures.

        Raises:
            InvalidKeys: there is none, or one is missing.
        """
        data = _read(self.path / ROOT)
        newest = roots.parse(data, str(self.path / ROOT))
        chain = [(data, newest)]
        for version in range(newest.signed.version - 1, 0, -1):
            path = self.path / f"{version}.{ROOT}"
            data = _read(path)
            chain.insert(0, (data, roots.parse(data, str(path))))
        return chain

    def held(self) -> list[HeldKey]:
        """The keys at hand.

        Raises:
            PlasmError: a plugin is not installed, or cannot use its key.
        """
        return [held_key(folder, self._config) for folder in self._taken() if (folder / _PLUGIN).exists()]

    def _taken(self, *wanted: str) -> list[Path]:
        """Every folder with the name of a key of a role that is ``wanted``; of any role where none is said."""
        name = re.compile(f"(?:{'|'.join(wanted or ROLES)})-[0-9]+", re.ASCII)
        found = [path for path in self.path.glob("*-*") if name.fullmatch(path.name)]
        return sorted(found, key=lambda path: (_role(path), _number(path)))

    def _make(self, role: str, count: int, plugin: str | None) -> list[HeldKey]:
        last = max(map(_number, self._taken(role)), default=0)
        return [self._make_one(self.path / f"{role}-{last + n}", plugin) for n in range(1, count + 1)]

    def _make_one(self, folder: Path, plugin: str | None) -> HeldKey:
        host = _host(folder, self._config)
        name = host.select(PluginKind.SIGNING, plugin or self._config.signer).name
        signer = PluginSigner(host.create_identity(name))
        with writing(folder):
            write_atomically(folder / _PLUGIN, f"{name}\n".encode())
        return HeldKey(folder, signer)

    def _complete_root(self) -> Root:
        chain = [root for _, root in self.chain()]
        roots.require_complete(chain)
        return chain[-1].signed

    def _succeed(self, present: Root, expires: datetime, keys: Mapping[str, Sequence[Key]]) -> RootMetadata:
        root = roots.successor(present, expires, keys)
        able = roots.signers(root.signed, present)
        _sign(root, [key for key in self.held() if key.id in able])
        with writing(self.path):
            write_public(self.path / f"{present.version}.{ROOT}", _read(self.path / ROOT))
            write_public(self.path / ROOT, root.to_bytes())
        return root


def sign_root(path: Path, key: HeldKey) -> tuple[RootMetadata, str | None]:
    """Add the signature of ``key`` to the root metadata at ``path``; also what is missing then, in words.

    The version before is looked for beside it, as ``<version>.root.json``; ``None`` where only it could tell.

    Raises:
        InvalidKeys: it is no root metadata, or ``key`` is none of its root keys.
        UnreadableInput, UnwritableOutput: it cannot be read or written.
    """
    with _changing(path):
        root = roots.parse(_read(path), str(path))
        before = former_root(path, root)
        previous = roots.parse(_read(before), str(before)) if before.exists() else None
        if key.id not in roots.signers(root.signed, None if previous is None else previous.signed):
            hint = "" if previous or root.signed.version == 1 else f"for a former root key, put {before.name} beside it"
            raise InvalidKeys(f"the key in {key.folder} is no root key of {path}", hint=hint)
        _sign(root, [key])
        with writing(path.parent):
            write_public(path, root.to_bytes())
    missing = roots.missing_signatures(roots.signatures(root, previous))
    if not missing and previous is None and root.signed.version > 1:
        return root, None
    return root, missing


def trusted_root(path: Path, now: datetime) -> bytes:
    """The root metadata at ``path``, for machines to begin with as of ``now``.

    Raises:
        InvalidKeys: it is no root metadata, or has expired.
        RootIncomplete: not enough of its own root keys have signed it.
        UnreadableInput: it cannot be read.
    """
    data = _read(path)
    root = roots.parse(data, str(path))
    if missing := roots.missing_signatures(roots.signatures(root, None)):
        raise RootIncomplete(f"{path} lacks {missing}", hint=f"add them with: plasm boot keys sign {path} --key FOLDER")
    if root.signed.is_expired(now):
        raise InvalidKeys(
            f"{path} expired on {root.signed.expires:%Y-%m-%d}", hint="renew it with: plasm boot keys renew KEYS/"
        )
    return data


def former_root(path: Path, root: RootMetadata) -> Path:
    """Where beside ``root`` at ``path`` the version before it belongs."""
    return path.with_name(f"{root.signed.version - 1}.{ROOT}")


@contextmanager
def _changing(root: Path) -> Iterator[None]:
    """Be the only one who changes the root metadata at ``root``; wait for another."""
    _read(root)
    with locked(root.parent):
        yield


def _sign(root: RootMetadata, keys: Sequence[HeldKey]) -> None:
    for key in keys:
        root.signatures[key.id] = key.signer.sign(root.signed_bytes)


def _public(made: Mapping[str, Sequence[HeldKey]]) -> dict[str, list[Key]]:
    return {role: [key.signer.public_key for key in keys] for role, keys in made.items()}


def _role(folder: Path) -> int:
    return ROLES.index(folder.name.rpartition("-")[0])


def _number(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _host(folder: Path, config: Config) -> PluginHost:
    return PluginHost(evolve(config, data_dir=folder, config_dir=folder, state_dir=folder))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except FileNotFoundError:
        raise InvalidKeys(f"there is no {path}", hint="make keys with: plasm boot keys init KEYS/") from None
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give a folder of keys") from None
