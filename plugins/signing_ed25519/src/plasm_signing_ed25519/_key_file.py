"""The key file: read with suspicion, made whole or not at all, never overwritten, never lost, never shown.

A key is written to a temporary file beside its place and linked there.  Linking fails where something already is,
so of several processes that make a key at once, one does and the others hear that it exists.  Replacing links the
old key to a name of its own before the new one takes its place; replacers wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from plasm.errors import IdentityError, IdentityExists, IdentityMissing, UnwritableOutput
from plasm.model import PeerId
from plasm_signing_ed25519._pem import SEED_BYTES, decode_seed, encode_seed
from plasm_signing_ed25519._signer import Ed25519Signer

_MAX_KEY_FILE_BYTES = 4096
_OPEN_TO_OTHERS = 0o077


def load(path: Path) -> Ed25519Signer:
    """The signer with the key at ``path``.

    Raises:
        IdentityMissing: nothing is there.
        IdentityError: what is there is no key, or is open to other users.
    """
    signer, mode = _read(path)
    if mode & _OPEN_TO_OTHERS:
        raise IdentityError(
            f"other users may read the key {path} (mode {mode:04o})",
            hint=f"run: chmod 600 {path}; if anybody could have copied it, replace the identity",
        )
    return signer


def create(path: Path) -> Ed25519Signer:
    """A signer with a new key, kept at ``path``.

    Raises:
        IdentityExists: something is there already.
        UnwritableOutput: the folder cannot be written.
    """
    with _private_folder(path.parent) as folder, _new_key(folder) as (temporary, signer):
        try:
            os.link(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise IdentityExists(
                f"an identity is there already: {path}",
                hint="use it, or add --replace to keep it aside and make another",
            ) from None
        os.fsync(folder)
        return signer


def replace_or_create(path: Path) -> Ed25519Signer:
    """A signer with a new key, kept at ``path``; what was there is kept beside it.

    An old key becomes ``ed25519-<peer id>.pem``, anything that cannot be read as one ``ed25519-unreadable-<n>.pem``.

    Raises:
        IdentityError: a folder is in the way.
        UnwritableOutput: the folder cannot be written.
    """
    with _private_folder(path.parent) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not os.path.lexists(path):
            return create(path)
        with _new_key(folder) as (temporary, signer):
            _keep_aside(path, folder)
            os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            return signer


def _read(path: Path) -> tuple[Ed25519Signer, int]:
    try:
        with open(path, "rb", buffering=0, opener=_open_without_following) as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_KEY_FILE_BYTES + 1) if stat.S_ISREG(status.st_mode) else None
    except FileNotFoundError:
        raise IdentityMissing(f"there is no identity at {path}", hint="make one with: plasm identity new") from None
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise _unusable(path, f"cannot be read: {reason}") from None
    if content is None:
        raise _unusable(path, "is not a file")
    if len(content) > _MAX_KEY_FILE_BYTES:
        raise _unusable(path, "is too large to be a key")
    try:
        return Ed25519Signer(decode_seed(content)), stat.S_IMODE(status.st_mode)
    except ValueError as error:
        raise _unusable(path, f"is {error}") from None


def _open_without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _unusable(path: Path, reason: str) -> IdentityError:
    return IdentityError(
        f"the key {path} {reason}", hint="restore it from a backup, or run: plasm identity new --replace"
    )


def _keep_aside(path: Path, folder: int) -> None:
    if path.is_dir() and not path.is_symlink():
        raise IdentityError(f"a folder is in the place of the key: {path}", hint="move it away")
    for name in _names_aside(path):
        with contextlib.suppress(FileExistsError):
            os.link(path.name, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            break
    os.fsync(folder)


def _names_aside(path: Path) -> Iterator[str]:
    label = "unreadable"
    with contextlib.suppress(IdentityError):
        label = str(PeerId(_read(path)[0].public_key))
        yield f"{path.stem}-{label}{path.suffix}"
    for number in itertools.count(1):
        yield f"{path.stem}-{label}-{number}{path.suffix}"


@contextlib.contextmanager
def _private_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder ``path``, made where it is missing and closed to other users."""
    try:
        for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchmod(folder, 0o700)
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        raise UnwritableOutput(
            f"cannot keep a key in {path}: {error.strerror}",
            hint="check who owns the folder and that its disk is neither full nor read-only, or set PLASM_HOME",
        ) from None


@contextlib.contextmanager
def _new_key(folder: int) -> Iterator[tuple[str, Ed25519Signer]]:
    """A new key and the name of a temporary file in ``folder`` that holds it, durably."""
    seed = os.urandom(SEED_BYTES)
    temporary = f".ed25519-{os.urandom(8).hex()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(encode_seed(seed))
            file.flush()
            os.fsync(descriptor)
        yield temporary, Ed25519Signer(seed)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
