"""What is built: systems with what their modes need and nothing else, the same every time."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot import built
from plasm.errors import PlasmError
from plasm.plugins import PluginHost
from plasm_boot.building import squashfs
from plasm_boot.building.architectures import architecture
from plasm_boot.building.builder import Order, build
from plasm_boot.errors import BuildFailed
from plasm_boot.system import System, SystemFile
from world import EXAMPLES, ROOT

pytestmark = pytest.mark.once

FILES = ("kernel", "initramfs", "rootfs.squashfs", "stage1.cpio.zst", "settings.json", "system.json", "boot-loader.efi")
MAX_STAGE1 = {"local": 25_000_000, "internet": 38_000_000, "private": 25_000_000}
MAX_INITRAMFS = 12_000_000
DISCOVERY = re.compile(r"zeroconf|mdns|dht|libp2p|aioquic|kademlia|dhcpcd", re.IGNORECASE)
# Names of ours that only speak of discovery, and no modules of it.
HARMLESS = re.compile(r"/plasm/|/plasm_boot/|^usr/lib/modules/|^usr/share/doc/")


@pytest.fixture(scope="module")
def local(built_systems: Path) -> Path:
    return built_systems / "local"


@pytest.fixture(scope="module")
def private(built_systems: Path) -> Path:
    return built_systems / "private"


@pytest.mark.parametrize("mode", built.MODES)
def test_a_system_is_what_its_description_says(built_systems: Path, mode: str) -> None:
    folder = built_systems / mode
    system = System.read(folder)
    assert (system.mode, system.arch) == (mode, "x86_64")
    assert system.built_at.timestamp() == built.EPOCH
    assert {path.name for path in folder.iterdir()} == {*FILES, "bom.cdx.json"}
    for described in (system.files.kernel, system.files.initramfs, system.files.rootfs):
        assert SystemFile.of(folder / described.name) == described


@pytest.mark.parametrize("mode", built.MODES)
def test_what_a_machine_loads_first_is_small(built_systems: Path, mode: str) -> None:
    assert (built_systems / mode / "stage1.cpio.zst").stat().st_size < MAX_STAGE1[mode]
    assert (built_systems / mode / "initramfs").stat().st_size < MAX_INITRAMFS


def test_the_hash_on_the_command_line_covers_the_root_file_system(local: Path, tmp_path: Path) -> None:
    cmdline = System.read(local).cmdline
    match = re.search(r"phase\.verity=([0-9a-f]{64}):(\d+)", cmdline)
    assert match is not None
    rootfs = tmp_path / "rootfs"
    shutil.copy(local / "rootfs.squashfs", rootfs)
    assert holds(rootfs, match[1], int(match[2]))
    with rootfs.open("r+b") as file:
        file.seek(int(match[2]) // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    assert not holds(rootfs, match[1], int(match[2]))


def holds(rootfs: Path, root_hash: str, size: int) -> bool:
    blocks = ["--data-block-size=4096", "--hash-block-size=4096", f"--data-blocks={size // 4096}", "--salt=-"]
    words = ["/usr/sbin/veritysetup", "verify", "--no-superblock", *blocks, f"--hash-offset={size}"]
    return subprocess.run([*words, rootfs, rootfs, root_hash], capture_output=True, check=False).returncode == 0


def test_the_same_inputs_give_the_same_bytes(private: Path, tmp_path: Path) -> None:
    built.run_plasm("build", "--mode", "private", "--effort", built.EFFORT, tmp_path / "again")
    for name in (*FILES, "bom.cdx.json"):
        assert digest(tmp_path / "again" / "private" / name) == digest(private / name), name


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_private_mode_has_no_discovery_code(private: Path) -> None:
    assert discovery(built.unpack_initramfs(private / "stage1.cpio.zst").keys()) == []
    assert discovery(built.unpack_initramfs(private / "initramfs").keys()) == []
    assert [path for path in discovery(built.list_rootfs(private / "rootfs.squashfs")) if "dhcpcd" not in path] == []


def test_local_mode_has_multicast_dns_in_both_stages_and_no_table_of_peers(local: Path) -> None:
    stage1 = built.unpack_initramfs(local / "stage1.cpio.zst").keys()
    rootfs = built.list_rootfs(local / "rootfs.squashfs")
    for paths in (stage1, rootfs):
        assert any("plasm_discovery_mdns/" in path for path in paths)
        assert not any("plasm_discovery_dht" in path for path in paths)
    assert not any("/cryptography/" in path or "/libp2p/" in path for path in stage1)


def discovery(paths: object) -> list[str]:
    assert isinstance(paths, set | type({}.keys()))
    return sorted(path for path in paths if DISCOVERY.search(path) and not HARMLESS.search(path))


@pytest.mark.parametrize("name", ["stage1.cpio.zst", "initramfs"])
def test_an_initramfs_names_nothing_of_the_machine_that_built_it(local: Path, name: str) -> None:
    files = built.unpack_initramfs(local / name)
    assert [path for path, data in files.items() if str(ROOT).encode() in data] == []


def test_the_first_stage_has_byte_code_only(local: Path) -> None:
    files = built.unpack_initramfs(local / "stage1.cpio.zst").keys()
    assert "usr/lib/plasm/site-packages/plasm_boot/stage1/__main__.pyc" in files
    assert [path for path in files if path.endswith(".py") and "dist-info" not in path] == []


def test_the_second_stage_has_no_wheel(local: Path) -> None:
    files = built.unpack_initramfs(local / "initramfs").keys()
    ours = {path for path in files if path.startswith("usr/lib/plasm/site-packages/")}
    assert all(path.startswith("usr/lib/plasm/site-packages/plasm_boot/") for path in ours)
    assert any("/stage2/" in path for path in ours)


def test_the_node_gets_the_plugins_of_the_mode(local: Path, private: Path) -> None:
    def config(system: Path) -> dict[str, object]:
        return tomllib.loads(built.read_rootfs(system / "rootfs.squashfs", "etc/plasm/config.toml").decode())

    assert config(local) == {
        "runtime": "wasmtime",
        "signer": "ed25519",
        "transport": "quic",
        "discoveries": ["mdns"],
    }
    assert config(private)["discoveries"] == ["none"]
    wants = "etc/systemd/system/multi-user.target.wants"
    assert f"{wants}/plasmd.service" in built.list_rootfs(local / "rootfs.squashfs")
    assert f"{wants}/plasmd.service" not in built.list_rootfs(private / "rootfs.squashfs")
    assert f"{wants}/phase-network.service" not in built.list_rootfs(private / "rootfs.squashfs")


def test_the_hello_job_is_that_of_the_examples(local: Path) -> None:
    hello = (EXAMPLES / "hello" / "hello.wasm").read_bytes()
    assert built.read_rootfs(local / "rootfs.squashfs", "usr/share/plasm/hello.wasm") == hello


def test_nobody_can_log_in(local: Path) -> None:
    shadow = built.read_rootfs(local / "rootfs.squashfs", "etc/shadow").decode()
    assert {line.split(":")[1] for line in shadow.splitlines()} <= {"*", "!*"}
    masked = built.list_rootfs(local / "rootfs.squashfs")
    assert "etc/systemd/system/getty.target" in masked


def test_the_root_folder_is_roots(local: Path) -> None:
    words = ["unsquashfs", "-d", "", "-lln", local / "rootfs.squashfs"]
    first = next(
        line
        for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
        if line.startswith("d")
    )
    assert first.split()[:2] == ["drwxr-xr-x", "0/0"]


def test_what_comes_in_is_for_the_ports_of_the_plugins(local: Path, private: Path) -> None:
    rules = built.read_rootfs(local / "rootfs.squashfs", "etc/nftables.conf").decode()
    assert "policy drop" in rules
    assert "udp dport 5353 accept" in rules
    assert "udp dport 4001 accept" in rules
    listens = built.read_rootfs(local / "rootfs.squashfs", "etc/systemd/system/plasmd.service.d/plugins.conf").decode()
    assert "PLASM_NODE_LISTEN=/ip4/0.0.0.0/udp/4001/quic-v1," in listens
    assert "5353" not in built.read_rootfs(private / "rootfs.squashfs", "etc/nftables.conf").decode()


def test_the_bill_of_materials_lists_wheels_packages_and_modules(local: Path) -> None:
    bill = json.loads((local / "bom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    components = {each["name"]: each for each in bill["components"]}
    for name in ("wasmtime", "plasm", "python3", "squashfs.ko", "kernel", "rootfs.squashfs"):
        properties = {each["name"]: each["value"] for each in components[name]["properties"]}
        assert int(properties["phase:size"]) > 0
    assert components["wasmtime"]["purl"].startswith("pkg:pypi/wasmtime@")
    assert components["python3"]["purl"].startswith("pkg:deb/debian/python3@3.11")
    assert components["squashfs.ko"]["licenses"][0]["license"]["name"] == "GPL"
    assert components["wasmtime"]["licenses"]
    assert "zeroconf" in components
    assert "plasm-plugin-discovery-dht" not in components


def test_a_build_that_fails_leaves_what_was_there(
    built_systems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plasm.config import Config

    out = tmp_path / "build"
    shutil.copytree(built_systems / "private", out / "private", copy_function=shutil.copy)
    before = {path.name: digest(path) for path in (out / "private").iterdir()}

    def fail(*_: object) -> None:
        raise BuildFailed("the disk is full")

    monkeypatch.setattr(squashfs, "write_squashfs", fail)
    host = PluginHost(Config.from_environment(built.environment()))
    order = Order(modes=("private",), arch=architecture("x86_64"), epoch=1, effort=1)
    with pytest.raises(PlasmError, match="the disk is full"):
        build(order, host, out, lambda _: None)
    assert {path.name: digest(path) for path in (out / "private").iterdir()} == before
    assert [path.name for path in out.iterdir()] == ["private"]
