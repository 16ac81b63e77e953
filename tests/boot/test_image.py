"""Images: partitions, a menu with every mode, and what a mode without a network boots."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot.published import NOW, Publisher

from boot import built
from plasm_boot import emulator
from plasm_boot.building.image import Bootable
from plasm_boot.building.run import find
from plasm_boot.errors import ToolMissing
from plasm_boot.settings import MEDIA_LABEL, MEDIA_REPOSITORY, ROOT_METADATA, SETTINGS, STATE_LABEL, ImageSettings
from plasm_boot.system import System
from world import Plasm

pytestmark = pytest.mark.once

ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ESP_OFFSET = 2**20


class Published:
    """Our systems, published under keys of this module's own."""

    def __init__(self, systems: Path, folder: Path) -> None:
        self.systems = systems
        self.repository, self.root = built.publish(systems, folder)

    def image(self, out: Path, *arguments: object) -> Path:
        built.run_plasm("image", self.systems, "--root", self.root, "-o", out, *arguments)
        return out


@pytest.fixture(scope="module")
def published(built_systems: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(built_systems, tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def whole(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw image of all modes, with a partition for state."""
    out = tmp_path_factory.mktemp("image") / "image.img"
    modes = [word for mode in built.MODES for word in ("--mode", mode)]
    return published.image(out, *modes, "--repo", published.repository, "--state", "64MiB")


def mtools(image: Path, program: str, *arguments: str) -> bytes:
    words = [program, *arguments[:-1], "-i", f"{image}@@{ESP_OFFSET}", f"::{arguments[-1]}"]
    return subprocess.run(words, capture_output=True, check=True).stdout


def text(image: Path, path: str) -> str:
    return mtools(image, "mtype", path).decode()


def files(image: Path) -> set[str]:
    listed = mtools(image, "mdir", "-/", "-b", "/").decode()
    return {line.removeprefix("::/") for line in listed.splitlines() if not line.endswith("/")}


def test_an_image_has_an_efi_partition_and_one_for_state(whole: Path) -> None:
    sfdisk = find("sfdisk")
    assert sfdisk is not None
    told = subprocess.run([sfdisk, "--json", whole], capture_output=True, check=True).stdout
    table = json.loads(told)["partitiontable"]
    assert table["label"] == "gpt"
    esp, state = table["partitions"]
    assert (esp["type"], esp["name"], esp["start"] * 512) == (ESP_TYPE, MEDIA_LABEL, ESP_OFFSET)
    assert (state["name"], state["size"] * 512) == (STATE_LABEL, 64 * 2**20)
    with whole.open("rb") as file:
        file.seek(state["start"] * 512 + 1024 + 0x78)
        assert file.read(16).rstrip(b"\0").decode() == STATE_LABEL
        file.seek(ESP_OFFSET + 71)
        assert file.read(19) == MEDIA_LABEL.encode().ljust(11) + b"FAT32   "


def test_the_menu_has_every_mode_in_the_order_that_was_said(whole: Path) -> None:
    assert "EFI/BOOT/BOOTX64.EFI" in files(whole)
    assert "default internet.conf" in text(whole, "loader/loader.conf")
    keys = []
    for mode in built.MODES:
        entry = dict(
            line.split(maxsplit=1)
            for line in text(whole, f"loader/entries/{mode}.conf").splitlines()
            if not line.startswith("initrd")
        )
        assert entry["title"] == mode.capitalize()
        assert f"phase.mode={mode}" in entry["options"]
        assert "console=ttyS0" in entry["options"]
        assert entry["linux"].lstrip("/") in files(whole)
        keys.append(entry["sort-key"])
    assert keys == sorted(keys)


def test_modes_share_a_kernel(whole: Path) -> None:
    assert len([path for path in files(whole) if path.startswith("phase/kernels/")]) == 1


def test_a_first_stage_is_told_its_mode_and_whom_to_trust(published: Published, whole: Path) -> None:
    told = built.unpack_cpio(mtools(whole, "mtype", "phase/local/settings"))
    assert told[ROOT_METADATA] == published.root.read_bytes()
    settings = ImageSettings.from_bytes(told[SETTINGS])
    assert (settings.mode, settings.title, settings.network_scope) == ("local", "Local", "lan")
    assert settings.writes
    assert settings.plugins["discovery"] == ("mdns",)


def test_the_parts_of_an_initramfs_can_follow_each_other(published: Published, whole: Path) -> None:
    assert len(mtools(whole, "mtype", "phase/local/stage1")) % 4 == 0
    system = Bootable.read(published.systems / "local")
    assert system.stage1(published.root.read_bytes()).endswith(mtools(whole, "mtype", "phase/local/settings"))


def test_providers_and_peers_can_be_said_when_the_image_is_made(published: Published, tmp_path: Path) -> None:
    peer = "/ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"
    image = published.image(
        tmp_path / "i.img", "--mode", "local", "--provider", "http://192.0.2.1:8380/", "--bootstrap", peer
    )
    settings = ImageSettings.from_bytes(built.unpack_cpio(mtools(image, "mtype", "phase/local/settings"))[SETTINGS])
    assert settings.providers == ("http://192.0.2.1:8380/",)
    assert settings.bootstrap == (peer,)


def test_what_private_mode_boots_is_on_the_medium_and_nothing_else_of_the_repository(
    published: Published, whole: Path, tmp_path: Path
) -> None:
    system = System.read(published.systems / "private")
    on_it = {path.removeprefix(f"{MEDIA_REPOSITORY}/") for path in files(whole) if MEDIA_REPOSITORY in path}
    artifacts = {path for path in on_it if path.startswith("artifacts/")}
    wanted = (system.files.kernel, system.files.initramfs, system.files.rootfs)
    assert artifacts == {f"artifacts/{each.sha256}" for each in wanted}
    assert [path for path in on_it if path.endswith("manifest.json") and "/private/" not in path] == []
    (tmp_path / "medium").mkdir()
    copy = ["mcopy", "-s", "-i", f"{whole}@@{ESP_OFFSET}", f"::{MEDIA_REPOSITORY}", tmp_path / "medium"]
    subprocess.run(copy, check=True)
    medium = tmp_path / "medium" / "repository"
    built.run_plasm("verify", "--repo", medium, "--root", published.root, "--mode", "private")


def test_private_mode_needs_a_repository(published: Published, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "plasm", "boot", "image", published.systems, "--root", published.root]
    done = subprocess.run(
        [*words, "--mode", "private", "-o", tmp_path / "i.img"],
        capture_output=True,
        text=True,
        check=False,
        env=built.environment(),
    )
    assert done.returncode == 125
    assert "error[invalid-input]: private boots its own medium" in done.stderr
    assert "--repo" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_repository_is_not_put_on_a_medium(published: Published, tmp_path: Path) -> None:
    shutil.copytree(published.repository, tmp_path / "repo")
    system = System.read(published.systems / "private")
    artifact = tmp_path / "repo" / "artifacts" / system.files.initramfs.sha256
    data = bytearray(artifact.read_bytes())
    data[1000] ^= 1
    artifact.unlink()
    artifact.write_bytes(data)
    arguments = ["--mode", "private", "--repo", tmp_path / "repo", "-o", tmp_path / "i.img"]
    built.run_plasm("image", published.systems, "--root", published.root, *arguments, status=125)
    assert not (tmp_path / "i.img").exists()


def test_an_image_of_modes_that_write_nothing_has_no_place_for_state(published: Published, tmp_path: Path) -> None:
    image = published.image(tmp_path / "i.img", "--mode", "private", "--repo", published.repository)
    sfdisk = find("sfdisk")
    assert sfdisk is not None
    told = subprocess.run([sfdisk, "--json", image], capture_output=True, check=True).stdout
    assert len(json.loads(told)["partitiontable"]["partitions"]) == 1


def test_the_same_systems_give_the_same_image(published: Published, tmp_path: Path) -> None:
    one, other = (
        published.image(tmp_path / name, "--mode", "local", "--state", "64MiB") for name in ("one.img", "other.img")
    )
    assert one.read_bytes() == other.read_bytes()


def test_a_qcow2_image_holds_the_same_as_a_raw_one(published: Published, tmp_path: Path) -> None:
    raw = published.image(tmp_path / "i.img", "--mode", "local", "--state", "64MiB")
    qcow2 = published.image(tmp_path / "i.qcow2", "--mode", "local", "--state", "64MiB")
    assert qcow2.stat().st_size < raw.stat().st_size / 2
    subprocess.run(["qemu-img", "compare", "-q", raw, qcow2], check=True)


def test_a_third_partys_mode_gets_its_place_in_the_menu(published: Published, tmp_path: Path) -> None:
    source = tmp_path / "kiosk"
    source.mkdir()
    (source / "pyproject.toml").write_text(KIOSK_PROJECT)
    (source / "plasm_boot_mode_kiosk.py").write_text(KIOSK)
    site = tmp_path / "site"
    uv = find("uv")
    assert uv is not None
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--target", site, source], check=True)

    build = tmp_path / "build"
    built.run_plasm("build", "--mode", "kiosk", "--effort", "1", build, PYTHONPATH=str(site))
    shutil.copytree(published.systems / "local", build / "local", copy_function=os.link)
    modes = ("--mode", "local", "--mode", "kiosk")
    built.run_plasm("image", build, "--root", published.root, *modes, "-o", tmp_path / "i.img", "--state", "0")
    assert "title Kiosk Screen" in text(tmp_path / "i.img", "loader/entries/kiosk.conf")
    assert "quiet" in System.read(build / "kiosk").cmdline.split()


KIOSK_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "plasm-boot-mode-kiosk"
version = "1.0"
[project.entry-points."plasm.boot_mode"]
kiosk = "plasm_boot_mode_kiosk"
"""
KIOSK = """
from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1

@hookimpl
def plasm_boot_mode():
    return BootMode(
        name="kiosk",
        title="Kiosk Screen",
        plugins={"runtime": ("wasmtime",), "discovery": ("mdns",), "signing": ("ed25519",)},
        policy=BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="lan"),
        kernel_arguments=("quiet",),
    )
"""


@pytest.fixture
def makings(tmp_path: Path) -> Publisher:
    """Keys, and a build that has all that an image needs, by its names at least."""
    made = Publisher(tmp_path / "makings")
    local = made.folder / "build" / "local"
    for name in ("stage1.cpio.zst", "boot-loader.efi"):
        (local / name).write_bytes(name.encode())
    (local / "settings.json").write_bytes(SETTINGS_OF_LOCAL.to_bytes())
    return made


SETTINGS_OF_LOCAL = ImageSettings(
    mode="local",
    title="Local",
    channel="stable",
    arch="x86_64",
    built_at=NOW,
    plugins={"discovery": ("mdns",)},
    persistent_identity=True,
    cache=True,
    writes=True,
    network_scope="lan",
)


def refusal(makings: Publisher, root: Path, out: Path, plasm: Plasm) -> str:
    """Why no image is made of these, which leaves nothing behind."""
    done = plasm("boot", "image", makings.folder / "build", "--root", root, "-o", out, "--state", "64MiB")
    assert done.returncode == 125
    assert not out.exists()
    return done.stderr.decode()


def test_only_root_metadata_that_holds_is_pinned(makings: Publisher, tmp_path: Path, plasm: Plasm) -> None:
    makings.publish()
    root, out = tmp_path / "root.json", tmp_path / "i.img"
    for content in (b"root:x:0:0:", makings.files()["metadata/timestamp.json"]):
        root.write_bytes(content)
        assert "error[invalid-boot-keys]" in refusal(makings, root, out, plasm)
    document = json.loads(makings.root)
    root.write_text(json.dumps(document | {"signatures": document["signatures"][:1]}))
    assert "error[boot-root-incomplete]" in refusal(makings, root, out, plasm)
    makings.keys.renew(expires=datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))
    root.write_bytes(makings.root)
    assert f"error[invalid-boot-keys]: {root} expired on" in refusal(makings, root, out, plasm)


@pytest.mark.parametrize("name", ["settings.json", "stage1.cpio.zst", "boot-loader.efi", "kernel"])
def test_a_file_that_a_build_lacks_is_named(makings: Publisher, tmp_path: Path, plasm: Plasm, name: str) -> None:
    (makings.folder / "build" / "local" / name).unlink()
    said = refusal(makings, makings.folder / "keys" / "root.json", tmp_path / "i.img", plasm)
    assert f"error[unreadable-input]: {makings.folder}/build/local/{name} cannot be read" in said


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_settings_that_are_none_are_said(makings: Publisher, tmp_path: Path, plasm: Plasm, content: bytes) -> None:
    (makings.folder / "build" / "local" / "settings.json").write_bytes(content)
    said = refusal(makings, makings.folder / "keys" / "root.json", tmp_path / "i.img", plasm)
    assert "error[invalid-boot-system]" in said
    assert "settings.json is damaged" in said


def test_a_menu_has_each_mode_once(makings: Publisher, tmp_path: Path, plasm: Plasm) -> None:
    build = makings.folder / "build"
    shutil.copytree(build / "local", build / "local.old")
    said = refusal(makings, makings.folder / "keys" / "root.json", tmp_path / "i.img", plasm)
    assert f"{build}/local and {build}/local.old are both local" in said


@pytest.fixture
def firmware() -> None:
    try:
        emulator.firmware("x86_64")
    except ToolMissing as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("firmware")
def test_a_machine_is_described_by_one_visible_command(tmp_path: Path) -> None:
    machine = emulator.Machine(
        image=tmp_path / "an,image.qcow2", memory=1024, cpus=3, forward=((8080, 80),), snapshot=True
    )
    command = " ".join(emulator.command(machine))
    assert command.startswith("qemu-system-x86_64 -M q35 -cpu max -accel tcg,thread=multi -smp 3 -m 1024 ")
    assert "format=qcow2,snapshot=on" in command
    assert "an,,image.qcow2" in command
    assert "hostfwd=tcp:127.0.0.1:8080-:80" in command
    assert "OVMF_CODE" in command or "ovmf" in command.lower()


@pytest.mark.usefixtures("firmware")
def test_a_machine_without_a_network_has_no_card(tmp_path: Path) -> None:
    command = emulator.command(emulator.Machine(image=tmp_path / "i.img", network="none"))
    assert "-nic none" in " ".join(command)
    assert "virtio-net-pci" not in " ".join(command)


@pytest.mark.usefixtures("firmware")
def test_what_is_said_to_stage_1_stays_one_word(tmp_path: Path) -> None:
    said = "phase.ip=192.0.2.7/24,192.0.2.1 phase.debug=1"
    command = emulator.command(emulator.Machine(image=tmp_path / "i.img", arguments=said))
    assert "name=opt/dev.plasm/arguments,string=phase.ip=192.0.2.7/24,,192.0.2.1 phase.debug=1" in command


def test_a_kernel_is_booted_without_firmware(tmp_path: Path) -> None:
    machine = emulator.Machine(kernel=tmp_path / "kernel", initrd=tmp_path / "initrd", append="quiet")
    command = " ".join(emulator.command(machine))
    assert f"-kernel {tmp_path}/kernel -append quiet -initrd {tmp_path}/initrd" in command
    assert "pflash" not in command


def test_a_guest_that_ends_passes_the_trial() -> None:
    if find("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not here")
    assert emulator.trial_guest_ends("tcg")


def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "plasm", "boot", "run", tmp_path / "none.img"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=built.environment())
    assert done.returncode == 125
    assert re.search(r"error\[unreadable-input\]: there is no image .*none\.img", done.stderr)
