"""The key file is read with suspicion, made whole or not at all, and never lost."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import plasm_signing_ed25519 as plugin
from plasm.config import Config
from plasm.errors import IdentityError, IdentityExists, IdentityMissing, PlasmError, UnwritableOutput
from plasm.model import PeerId
from plasm_signing_ed25519._key_file import load
from plasm_signing_ed25519._pem import decode_seed, encode_seed
from plasm_signing_ed25519._signer import Ed25519Signer

SEED = bytes(range(32))
PEM = encode_seed(SEED)

Create = Callable[..., Any]
PutKey = Callable[..., None]
Kept = Callable[[], dict[str, bytes]]


def config_in(home: Path) -> Config:
    return Config.from_environment({"PLASM_HOME": str(home)})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def peer_id(signer: Any) -> str:
    return str(PeerId(signer.public_key))


def assert_shows_no_key(error: PlasmError) -> None:
    shown = f"{error} {error!r} {error.hint} {error.__cause__!r}"
    assert PEM.splitlines()[1].decode() not in shown
    assert SEED.hex() not in shown
    assert repr(SEED) not in shown


def test_without_a_key_the_error_says_how_to_make_one(config: Config, key_path: Path) -> None:
    with pytest.raises(IdentityMissing, match="plasm identity new") as caught:
        plugin.plasm_signer(config)
    assert str(key_path) in caught.value.message


def test_a_key_that_was_made_is_the_key_that_signs(config: Config, create: Create) -> None:
    made = create()
    assert plugin.plasm_signer(config).public_key == made.public_key
    assert plugin.plasm_signer(config).sign(b"x") == made.sign(b"x")


def test_every_new_key_is_another(tmp_path: Path) -> None:
    folders = [config_in(tmp_path / str(number)) for number in range(8)]
    assert len({plugin.plasm_create_identity(folder, False).public_key for folder in folders}) == 8


@pytest.mark.usefixtures("umask_0")
def test_nobody_else_can_enter_or_read_even_under_umask_0(create: Create, key_path: Path, tmp_path: Path) -> None:
    create()
    assert mode(key_path) == 0o600
    for folder in key_path.relative_to(tmp_path).parents:
        if folder != Path():
            assert mode(tmp_path / folder) == 0o700


def test_a_umask_that_forbids_all_does_not_lock_the_owner_out(create: Create, key_path: Path) -> None:
    before = os.umask(0o777)
    try:
        create()
    finally:
        os.umask(before)
    assert (mode(key_path), mode(key_path.parent)) == (0o600, 0o700)


def test_a_folder_that_was_open_to_others_is_closed(create: Create, key_path: Path) -> None:
    key_path.parent.mkdir(parents=True)
    key_path.parent.chmod(0o755)
    create()
    assert mode(key_path.parent) == 0o700


def test_only_the_key_is_left_in_the_folder(create: Create, kept: Kept) -> None:
    create()
    assert list(kept()) == ["ed25519.pem"]
    with pytest.raises(IdentityExists):
        create()
    assert list(kept()) == ["ed25519.pem"]


@pytest.mark.parametrize("content", [PEM, b"", b"garbage"], ids=["key", "empty", "garbage"])
def test_making_a_key_does_not_touch_what_is_there(
    create: Create, put_key: PutKey, kept: Kept, key_path: Path, content: bytes
) -> None:
    put_key(content)
    with pytest.raises(IdentityExists) as caught:
        create()
    assert str(key_path) in caught.value.message
    assert caught.value.hint
    assert kept() == {"ed25519.pem": content}


def test_making_a_key_does_not_follow_a_dangling_link(create: Create, key_path: Path, tmp_path: Path) -> None:
    key_path.parent.mkdir(parents=True)
    key_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IdentityExists):
        create()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("others", [0o640, 0o604, 0o620, 0o610, 0o777])
def test_a_key_open_to_others_is_refused(config: Config, put_key: PutKey, key_path: Path, others: int) -> None:
    put_key(PEM, mode=others)
    with pytest.raises(IdentityError, match=f"{others:04o}") as caught:
        plugin.plasm_signer(config)
    assert str(key_path) in caught.value.message
    assert f"chmod 600 {key_path}" in caught.value.hint
    assert_shows_no_key(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 119,
        PEM[:-30],
        PEM[:40] + PEM[41:],
        PEM + PEM,
        PEM.replace(b"PRIVATE KEY", b"PUBLIC KEY"),
        PEM.replace(b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"),
        PEM.replace(b"MC4C", b"MC4D"),
        SEED,
        SEED.hex().encode(),
    ],
    ids=["empty", "zeros", "cut", "gap", "two", "public", "encrypted", "other-algorithm", "raw", "hex"],
)
def test_a_file_that_is_no_key_is_refused(config: Config, put_key: PutKey, key_path: Path, content: bytes) -> None:
    put_key(content)
    with pytest.raises(IdentityError, match="not an unencrypted Ed25519 key") as caught:
        plugin.plasm_signer(config)
    assert str(key_path) in caught.value.message
    assert caught.value.hint
    assert_shows_no_key(caught.value)


def test_a_file_too_large_to_be_a_key_is_refused(config: Config, put_key: PutKey) -> None:
    put_key(PEM + b"\n" * 2**20)
    with pytest.raises(IdentityError, match="too large"):
        plugin.plasm_signer(config)


def test_a_link_to_a_key_is_refused(config: Config, put_key: PutKey, key_path: Path, tmp_path: Path) -> None:
    put_key(PEM)
    key_path.rename(tmp_path / "elsewhere.pem")
    key_path.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(IdentityError, match="symbolic link") as caught:
        plugin.plasm_signer(config)
    assert str(key_path) in caught.value.message


def test_a_folder_in_place_of_the_key_is_refused(config: Config, create: Create, key_path: Path) -> None:
    key_path.mkdir(parents=True)
    with pytest.raises(IdentityError, match=str(key_path)):
        plugin.plasm_signer(config)
    with pytest.raises(IdentityError, match="folder"):
        create(replace=True)
    assert os.listdir(key_path.parent) == ["ed25519.pem"]


def test_a_pipe_in_place_of_the_key_is_refused_without_waiting(config: Config, key_path: Path) -> None:
    key_path.parent.mkdir(parents=True)
    os.mkfifo(key_path, 0o600)
    with pytest.raises(IdentityError, match="not a file"):
        plugin.plasm_signer(config)


def test_a_key_that_may_not_be_read_is_refused(
    config: Config, put_key: PutKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    put_key(PEM)
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(IdentityError, match="Permission denied"):
        plugin.plasm_signer(config)


def test_a_place_that_cannot_be_written_is_named(create: Create, config: Config) -> None:
    config.data_dir.parent.mkdir()
    config.data_dir.write_text("a file where the folder should be")
    with pytest.raises(UnwritableOutput, match=str(config.data_dir)) as caught:
        create()
    assert caught.value.hint
    with pytest.raises(UnwritableOutput):
        create(replace=True)


@pytest.mark.parametrize("step", ["link", "fsync"])
def test_a_disk_that_fails_leaves_no_half_key(
    create: Create, key_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(UnwritableOutput, match="No space left"):
        create()
    assert kept() == {}


def test_replacing_where_no_key_is_makes_one(config: Config, create: Create, kept: Kept) -> None:
    made = create(replace=True)
    assert plugin.plasm_signer(config).public_key == made.public_key
    assert list(kept()) == ["ed25519.pem"]


def test_the_replaced_key_is_kept_under_its_peer_id(config: Config, create: Create, key_path: Path, kept: Kept) -> None:
    first = create()
    content = key_path.read_bytes()
    second = create(replace=True)
    assert plugin.plasm_signer(config).public_key == second.public_key != first.public_key
    assert kept() == {"ed25519.pem": key_path.read_bytes(), f"ed25519-{peer_id(first)}.pem": content}
    assert mode(key_path.parent / f"ed25519-{peer_id(first)}.pem") == 0o600


def test_a_key_that_was_open_to_others_is_kept_under_its_peer_id(create: Create, put_key: PutKey, kept: Kept) -> None:
    put_key(PEM, mode=0o644)
    create(replace=True)
    old = [name for name, content in kept().items() if content == PEM]
    assert len(old) == 1
    assert old[0].startswith("ed25519-12D3KooW")


def test_what_is_no_key_is_kept_as_unreadable(config: Config, create: Create, put_key: PutKey, kept: Kept) -> None:
    put_key(b"first")
    create(replace=True)
    put_key(b"second")
    create(replace=True)
    assert kept()["ed25519-unreadable-1.pem"] == b"first"
    assert kept()["ed25519-unreadable-2.pem"] == b"second"
    plugin.plasm_signer(config)


def test_a_replaced_link_is_kept_and_its_target_untouched(
    config: Config, create: Create, key_path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.pem"
    target.write_bytes(PEM)
    key_path.parent.mkdir(parents=True)
    key_path.symlink_to(target)
    create(replace=True)
    assert target.read_bytes() == PEM
    assert (key_path.parent / "ed25519-unreadable-1.pem").readlink() == target
    plugin.plasm_signer(config)


def test_a_file_that_has_the_name_of_the_old_key_is_not_overwritten(
    create: Create, put_key: PutKey, key_path: Path, kept: Kept
) -> None:
    put_key(PEM)
    name = f"ed25519-{peer_id(load(key_path))}.pem"
    (key_path.parent / name).write_bytes(b"something else")
    create(replace=True)
    assert kept()[name] == b"something else"
    assert kept()[name.replace(".pem", "-1.pem")] == PEM


def test_the_old_key_stays_in_place_when_the_new_one_cannot_take_it(
    config: Config, create: Create, monkeypatch: pytest.MonkeyPatch, kept: Kept
) -> None:
    first = create()

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(UnwritableOutput):
        create(replace=True)
    assert plugin.plasm_signer(config).public_key == first.public_key
    assert not [name for name in kept() if name.endswith(".new")]


def one_of_many(arguments: tuple[Path, bool]) -> str:
    home, replace = arguments
    try:
        return peer_id(plugin.plasm_create_identity(config_in(home), replace))
    except IdentityExists:
        return "exists"


def from_many_processes(home: Path, replaces: list[bool]) -> list[str]:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        return pool.map(one_of_many, [(home, replace) for replace in replaces], chunksize=1)


def test_of_many_processes_one_makes_the_key(config: Config, tmp_path: Path) -> None:
    results = Counter(from_many_processes(tmp_path / "home", [False] * 40))
    assert results.pop("exists") == 39
    assert results == {peer_id(plugin.plasm_signer(config)): 1}


def test_of_many_processes_that_replace_none_loses_a_key(tmp_path: Path, create: Create, kept: Kept) -> None:
    first = create()
    made = [*from_many_processes(tmp_path / "home", [True] * 40), peer_id(first)]
    on_disk = {peer_id(Ed25519Signer(decode_seed(content))) for content in kept().values()}
    assert on_disk == set(made)
    assert len(kept()) == len(on_disk) == 41
