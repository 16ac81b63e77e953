"""plasm boot keys: who may sign what, and how that changes without anybody losing their way."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from tuf.api.metadata import Metadata

from plasm.config import Config
from plasm_boot.trust.keys import KeyFolder, held_key, sign_root
from world import Plasm


@pytest.fixture
def keys(tmp_path: Path, plasm: Plasm) -> Path:
    made = tmp_path / "keys"
    done = plasm("boot", "keys", "init", made)
    assert done.returncode == 0, done.stderr
    return made


def shown(plasm: Plasm, keys: Path) -> dict[str, dict[str, object]]:
    done = plasm("boot", "keys", "show", keys, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def error(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 125
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def test_the_usual_keys_are_three_for_root_of_which_two_sign(keys: Path, plasm: Plasm) -> None:
    roles = shown(plasm, keys)["roles"]
    assert {name: (role["threshold"], len(role["keys"])) for name, role in roles.items()} == {  # type: ignore[index]
        "root": (2, 3),
        "targets": (1, 1),
        "snapshot": (1, 1),
        "timestamp": (1, 1),
    }
    assert sorted(path.name for path in keys.iterdir()) == [
        *("root-1", "root-2", "root-3", "root.json", "snapshot-1", "targets-1", "timestamp-1"),
    ]


def test_keys_are_their_owner_s_alone(keys: Path) -> None:
    for path in keys.rglob("*.pem"):
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_the_root_says_until_when_it_holds(tmp_path: Path, plasm: Plasm) -> None:
    plasm("boot", "keys", "init", tmp_path / "keys", "--root-keys", 1, "--root-threshold", 1, "--expires", 10)
    root = Metadata.from_bytes((tmp_path / "keys" / "root.json").read_bytes())
    assert len(root.signatures) == 1
    assert root.signed.consistent_snapshot
    root.signed.verify_delegate("root", root.signed_bytes, root.signatures)


def test_keys_are_never_overwritten(keys: Path, plasm: Plasm) -> None:
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    said = error(plasm("boot", "keys", "init", keys))
    assert f"error[boot-keys-exist]: {keys}/root.json is there already" in said
    (keys / "root.json").unlink()
    assert f"{keys}/root-1 is there already" in error(plasm("boot", "keys", "init", keys))
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != "root.json")


def test_a_threshold_that_nobody_can_meet_is_refused(tmp_path: Path, plasm: Plasm) -> None:
    done = plasm("boot", "keys", "init", tmp_path / "keys", "--root-keys", 1, "--root-threshold", 2)
    assert "error[invalid-boot-keys]: 2 of 1 keys cannot sign" in error(done)
    assert not (tmp_path / "keys").exists()


def test_a_signing_plugin_that_is_not_there_is_said(tmp_path: Path, plasm: Plasm) -> None:
    done = plasm("boot", "keys", "init", tmp_path / "keys", "--signer", "tpm")
    assert "error[plugin-not-found]" in error(done)


def test_a_role_gets_a_new_key_and_the_old_one_is_kept(keys: Path, plasm: Plasm) -> None:
    before = shown(plasm, keys)
    assert plasm("boot", "keys", "rotate", keys, "timestamp").returncode == 0
    after = shown(plasm, keys)
    assert (before["version"], after["version"], after["missing"]) == (1, 2, "")
    assert after["roles"]["timestamp"]["keys"] != before["roles"]["timestamp"]["keys"]  # type: ignore[index]
    assert after["roles"]["root"] == before["roles"]["root"]
    assert (keys / "timestamp-1").is_dir()
    assert (keys / "timestamp-2").is_dir()
    assert (keys / "1.root.json").is_file()


def test_new_root_keys_are_vouched_for_by_the_old_ones(keys: Path, plasm: Plasm) -> None:
    assert plasm("boot", "keys", "rotate", keys, "root").returncode == 0
    old = Metadata.from_bytes((keys / "1.root.json").read_bytes())
    new = Metadata.from_bytes((keys / "root.json").read_bytes())
    for root in (old, new):
        root.signed.verify_delegate("root", new.signed_bytes, new.signatures)
    assert not set(new.signed.roles["root"].keyids) & set(old.signed.roles["root"].keyids)


def test_signatures_of_keys_kept_elsewhere_are_added_one_at_a_time(keys: Path, plasm: Plasm, tmp_path: Path) -> None:
    for name in ("root-1", "root-2", "root-3"):
        (keys / name).rename(tmp_path / name)
    renewed = plasm("boot", "keys", "renew", keys)
    assert b"version 2 of root lacks 2 of the 2 signatures by the present root keys" in renewed.stderr
    first = plasm("boot", "keys", "sign", keys / "root.json", "--key", tmp_path / "root-3")
    assert b"it lacks 1 of the 2 signatures" in first.stderr
    again = plasm("boot", "keys", "sign", keys / "root.json", "--key", tmp_path / "root-3")
    assert b"it lacks 1 of the 2 signatures" in again.stderr
    last = plasm("boot", "keys", "sign", keys / "root.json", "--key", tmp_path / "root-1", "--json")
    assert json.loads(last.stdout)["missing"] == ""
    assert shown(plasm, keys)["missing"] == ""


def test_without_the_former_root_nobody_says_that_a_root_is_complete(keys: Path, plasm: Plasm, tmp_path: Path) -> None:
    for name in ("root-1", "root-2", "root-3"):
        (keys / name).rename(tmp_path / name)
    plasm("boot", "keys", "renew", keys)
    (tmp_path / "usb").mkdir()
    root = tmp_path / "usb" / "root.json"
    (keys / "root.json").rename(root)
    first = plasm("boot", "keys", "sign", root, "--key", tmp_path / "root-1")
    assert b"it lacks 1 of the 2 signatures by the present root keys" in first.stderr
    last = plasm("boot", "keys", "sign", root, "--key", tmp_path / "root-2")
    assert b"only 1.root.json beside it can tell" in last.stderr
    assert b"complete" not in last.stderr
    told = plasm("boot", "keys", "sign", root, "--key", tmp_path / "root-2", "--json")
    assert json.loads(told.stdout)["missing"] is None
    (keys / "1.root.json").rename(root.with_name("1.root.json"))
    assert b"it is complete" in plasm("boot", "keys", "sign", root, "--key", tmp_path / "root-2").stderr


def test_signatures_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    config, keys, expires = Config.from_environment(os.environ), tmp_path / "keys", datetime(2036, 1, 1, tzinfo=UTC)
    folder = KeyFolder(keys, config)
    folder.create(root_keys=6, root_threshold=6, expires=expires, plugin="ed25519")
    away = [(keys / f"root-{n}").rename(tmp_path / f"root-{n}") for n in range(1, 7)]
    folder.renew(expires=expires)
    with ThreadPoolExecutor(6) as pool:
        missing = list(pool.map(lambda key: sign_root(keys / "root.json", held_key(key, config))[1], away))
    assert sorted(map(bool, missing)) == [False, *[True] * 5]


def test_a_change_of_root_waits_for_another(keys: Path, plasm: Plasm) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: plasm("boot", "keys", "renew", keys), range(4)))
    assert [each.returncode for each in done] == [0] * 4
    assert shown(plasm, keys)["version"] == 5
    assert all((keys / f"{version}.root.json").is_file() for version in range(1, 5))


def test_while_signatures_are_missing_nothing_else_changes(keys: Path, plasm: Plasm, tmp_path: Path) -> None:
    (keys / "root-1").rename(tmp_path / "root-1")
    (keys / "root-2").rename(tmp_path / "root-2")
    plasm("boot", "keys", "renew", keys)
    said = error(plasm("boot", "keys", "rotate", keys, "timestamp"))
    assert "error[boot-root-incomplete]: version 2 of root lacks 1 of the 2 signatures" in said
    assert not (keys / "timestamp-2").exists()


def test_only_root_keys_sign_root(keys: Path, plasm: Plasm, tmp_path: Path) -> None:
    before = (keys / "root.json").read_bytes()
    said = error(plasm("boot", "keys", "sign", keys / "root.json", "--key", keys / "timestamp-1"))
    assert "error[invalid-boot-keys]" in said
    assert "is no root key of" in said
    assert (keys / "root.json").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff" * 100, b'{"signatures": [], "signed": {"_type": "timestamp"}}']
)
def test_what_is_no_root_metadata_is_not_signed(keys: Path, plasm: Plasm, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root.json").write_bytes(content)
    said = error(plasm("boot", "keys", "sign", tmp_path / "root.json", "--key", keys / "root-1"))
    assert "error[invalid-boot-keys]" in said
    assert (tmp_path / "root.json").read_bytes() == content


def test_a_folder_without_keys_is_said(tmp_path: Path, plasm: Plasm, keys: Path) -> None:
    assert "error[invalid-boot-keys]: there is no" in error(plasm("boot", "keys", "show", tmp_path / "nothing"))
    done = plasm("boot", "keys", "sign", keys / "root.json", "--key", tmp_path)
    assert "error[invalid-boot-keys]: there is no key in" in error(done)


def test_help_has_examples(plasm: Plasm) -> None:
    for command in ("keys", "publish", "refresh", "verify", "fetch"):
        done = plasm("boot", command, "--help")
        assert done.returncode == 0
        assert f"plasm boot {command}" in done.stdout.decode().partition("Examples:")[2]
