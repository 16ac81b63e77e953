"""Machines that boot for real, in an emulator: from nothing to a receipt that the host verifies.

Told once, as root: the machines hang on a network of their own.
"""

from __future__ import annotations

import base64
import faulthandler
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve
from boot.machines import HOST, HOST_6, Console, ipv6_lan, lan, needed, running
from boot.published import HostileServer, Publisher, serving
from boot.systems import World

from boot import published, systems
from plasm_boot import emulator
from plasm_boot.manifest import Artifact
from plasm_boot.stage1 import handover
from plasm_boot.system import System
from world import EXAMPLES, Plasm

pytestmark = pytest.mark.once

FIXED = "192.0.2.200"
BOOT_S = 240
"""Seconds until what is awaited next: much more than it takes, for machines are shared."""


@pytest.fixture(autouse=True)
def _take_your_time() -> None:
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def world(built_systems: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    needed()
    return systems.world(built_systems, tmp_path_factory.mktemp("world"))


def verify(plasm: Plasm, receipt: bytes, console: Console, folder: Path) -> None:
    """The receipt holds here, and is of the node that the console named."""
    path = folder / "receipt.json"
    path.write_bytes(receipt)
    node = console.text.split("phase: node ")[1].split()[0]
    output = folder / "stdout"
    output.write_bytes(b"emas eht syawla\n")
    module = EXAMPLES / "hello" / "hello.wasm"
    done = plasm("verify", path, "--signer", node, "--stdout", output, "--module", module)
    assert done.returncode == 0, done.stderr


def test_local_mode_finds_its_provider_by_mdns_and_goes_back_to_no_older_system(
    world: World, tmp_path: Path, plasm: Plasm
) -> None:
    """The second time, the provider shows what was published before: that is refused, and what was kept boots.

    The machine's own clock is years behind; what it signs is not.
    """
    publisher = world.only("local", tmp_path / "published")
    former = shutil.copytree(publisher.repository, tmp_path / "former")
    published_at = datetime.now(UTC).replace(microsecond=0)
    publisher.publish(now=published_at)
    machine = publisher.image("local", tmp_path / "local.img", "--state", "512MiB")
    home = {"PLASM_HOME": str(tmp_path / "home"), "PLASM_MDNS_INTERFACES": "lan0"}
    with lan(tmp_path) as network:
        machine = evolve(machine, network=network.cable(), extra=(*machine.extra, "-rtc", "base=2020-01-01"))

        def provided(repository: Path) -> AbstractContextManager[str]:
            command = [sys.executable, "-m", "plasm", "provide", repository, "--discovery", "mdns"]
            return network.process(*command, ready="is served", environment=home)

        with provided(publisher.repository), running(machine, network.inside) as console:
            console.expect("the clock was before this image was built", BOOT_S)
            console.expect(rf"verified manifest from http://{HOST}:8380", BOOT_S)
            console.expect("the clock was before this system was made", BOOT_S)
            console.expect("fetching version 2 of stable", BOOT_S)
            console.expect("everything is verified: handing over", BOOT_S)
            first = console.receipt(BOOT_S)
        verify(plasm, first, console, tmp_path)
        assert _signed_at(first) > published_at
        with provided(former), running(machine, network.inside) as console:
            console.expect(
                rf"refused http://{HOST}:8380/: .*offers version 1 of timestamp, and version 2 was seen", BOOT_S
            )
            console.expect("looking at the system that was kept", BOOT_S)
            console.expect("verified manifest from /state/phase", BOOT_S)
            console.expect("everything is verified: handing over", BOOT_S)


def test_a_network_that_has_only_ipv6_does(world: World, tmp_path: Path) -> None:
    publisher = world.only("local", tmp_path / "published")
    provide = [sys.executable, "-m", "plasm", "provide", publisher.repository, "--discovery", "mdns"]
    home = {"PLASM_HOME": str(tmp_path / "home"), "PLASM_MDNS_INTERFACES": "lan0"}
    with ipv6_lan(tmp_path) as network, network.process(*provide, ready="is served", environment=home):
        machine = publisher.machine("local", tmp_path, "", network=network.cable())
        with running(machine, network.inside) as console:
            console.expect(r"addresses: .*2001:db8::\S+$", BOOT_S)
            console.expect(rf"verified manifest from http://\[{HOST_6}\]:8380", BOOT_S)
            console.expect("everything is verified: handing over", BOOT_S)


def test_internet_mode_finds_its_provider_in_a_dht(world: World, tmp_path: Path, plasm: Plasm) -> None:
    """With a fixed address, which the system that it boots has, too."""
    begin = ["-m", "plasm", "start", "--discovery", "dht", "--workers", "1"]
    with ExitStack() as stack:
        network = stack.enter_context(lan(tmp_path))
        known: list[str] = []
        for number in range(3):
            command = [*begin, "--listen", f"/ip4/{HOST}/tcp/{4100 + number}"]
            command += [word for address in known[:1] for word in ("--bootstrap", address)]
            home = {"PLASM_HOME": str(tmp_path / f"node{number}")}
            said = stack.enter_context(
                network.process(sys.executable, *command, ready="peers reach it at", environment=home)
            )
            known.append(said.split("peers reach it at ")[1].strip())
        provide = [sys.executable, "-m", "plasm", "provide", world.repository, "--discovery", "dht"]
        provide += ["--bootstrap", known[1]]
        home = {"PLASM_HOME": str(tmp_path / "provider")}
        stack.enter_context(network.process(*provide, ready="is served", environment=home))
        arguments = f"phase.bootstrap={known[2]} phase.ip={FIXED}/24"
        machine = world.machine("internet", tmp_path, arguments, network=network.cable())
        with running(machine, network.inside) as console:
            console.expect(rf"verified manifest from http://{HOST}:8380", BOOT_S)
            console.expect("everything is verified: handing over", BOOT_S)
            receipt = console.receipt(BOOT_S)
            reach = f"import socket; socket.create_connection(({FIXED!r}, 4001), 30)"
            subprocess.run([*network.inside, sys.executable, "-c", reach], check=True)
            subprocess.run([*network.inside, sys.executable, "-c", _IS_SHUT, FIXED], check=True)
        verify(plasm, receipt, console, tmp_path)


def test_private_mode_boots_its_own_medium_and_writes_nothing(world: World, tmp_path: Path, plasm: Plasm) -> None:
    image = tmp_path / "private.img"
    machine = world.image("private", image, "--repo", world.repository)
    before = _sha256(image)
    with running(machine) as console:
        console.expect("verified manifest from /medium/phase/repository", BOOT_S)
        console.expect("everything is verified: handing over", BOOT_S)
        receipt = console.receipt(BOOT_S)
        assert "bringing up the network" not in console.text
    verify(plasm, receipt, console, tmp_path)
    assert _sha256(image) == before


def test_private_mode_touches_no_network_and_says_what_it_misses(world: World, tmp_path: Path) -> None:
    machine = world.machine("private", tmp_path, "", network="user")
    with running(machine) as console:
        console.expect("failed: there is no boot medium: no FAT32 partition has the label PHASE_ESP", BOOT_S)
        console.expect("any key stops that", 10)
        console.send("d")
        console.expect("press one of these keys", 60)
        assert "lo: down" in console.text
        unwanted = r"^ *(address|refused) |link +(?! |lo:)|virtio_net|^ +s +shell"
        assert not re.search(unwanted, console.text, re.MULTILINE)
        console.send("p")
        assert console.process.wait(60) == 0


def test_a_root_file_system_that_is_not_what_was_signed_stops_the_machine(world: World, tmp_path: Path) -> None:
    """Whatever came between: stage 1 would not have let it through, and stage 2 does not read it."""
    build = world.folder / "build" / "private"
    damaged = tmp_path / "rootfs"
    damaged.write_bytes(published.with_flipped_bit((build / "rootfs.squashfs").read_bytes()))
    joined = tmp_path / "initramfs"
    with joined.open("wb") as into:
        handover.join((build / "initramfs", _artifact(build / "initramfs")), (damaged, _artifact(damaged)), into)
    signed = System.from_bytes((build / "system.json").read_bytes()).cmdline
    machine = emulator.Machine(kernel=build / "kernel", initrd=joined, append=signed, memory=1536, network="none")
    with running(machine) as console:
        console.expect("stage 2: handing over to /sbin/init", BOOT_S)
        console.expect("Kernel panic - not syncing: dm-verity device", BOOT_S)
        assert "phase: hello" not in console.text


def test_every_liar_is_named_and_nothing_of_theirs_is_booted(world: World, tmp_path: Path, plasm: Plasm) -> None:
    publisher = world.only("local", tmp_path / "published")
    honest = publisher.files()
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(files)) for name, files in _repositories(publisher, tmp_path)}
        for name, (lie, what) in _LIES.items():
            servers[name] = stack.enter_context(serving(honest))
            servers[name].lies = {publisher.path_of(each): lie for each in what}
        late = stack.enter_context(serving(honest))
        late.lies = {publisher.path_of("timestamp"): published.has_it_not}
        arguments = " ".join(f"phase.provider={_seen_from_inside(each)}" for each in (*servers.values(), late))
        machine = world.machine("local", tmp_path, arguments, network="user")
        with running(machine) as console:
            console.expect("failed: (kernel|initramfs|rootfs).* could not be had", BOOT_S)
            console.expect("any key stops that", 10)
            console.send(" ")
            console.expect("press one of these keys", 10)
            told = {name: f"refused {_seen_from_inside(server)}/: " for name, server in servers.items()}
            console.send("d")
            console.expect("refused    ", 60)
            console.expect("press one of these keys", 60)
            missing = [name for name, line in told.items() if line not in console.text]
            assert not missing, f"{missing} in {console.text}"
            for artifact in ("kernel", "initramfs", "rootfs"):
                assert f"{artifact} from" in console.text
            assert "handing over" not in console.text
            late.lies.clear()
            console.send("r")
            console.expect(rf"verified manifest from {_seen_from_inside(late)}/", BOOT_S)
            console.expect("everything is verified: handing over", BOOT_S)
            receipt = console.receipt(BOOT_S)
        verify(plasm, receipt, console, tmp_path)


# A port without a firewall before it refuses at once where nobody listens.
_IS_SHUT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 4999), 5)
except TimeoutError:
    sys.exit()
sys.exit("it answers")
"""

_ARTIFACTS = ("kernel", "initramfs", "rootfs")
_LIES: dict[str, tuple[Callable[[published.Handler, str], None], tuple[str, ...]]] = {
    "stalls": (published.says_nothing, ("timestamp",)),
    "flips a bit of timestamp": (published.flips_a_bit, ("timestamp",)),
    "flips a bit of snapshot": (published.flips_a_bit, ("snapshot",)),
    "flips a bit of targets": (published.flips_a_bit, ("targets",)),
    "flips a bit of the manifest": (published.flips_a_bit, ("manifest",)),
    "has not the manifest": (published.has_it_not, ("manifest",)),
    "never ends": (published.never_ends, ("targets",)),
    # Whichever of the artifacts each of these is asked for, no other source makes up for it.
    "flips a bit of one artifact": (published.flips_a_bit, _ARTIFACTS),
    "flips a bit of another": (published.flips_a_bit, _ARTIFACTS),
    "flips a bit of the third": (published.flips_a_bit, _ARTIFACTS),
}


def _repositories(publisher: World, folder: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Whole repositories that no machine may boot from."""
    stranger = Publisher(folder / "stranger")
    stranger.publish(now=datetime.now(UTC))
    yield "signed by others", stranger.files()
    files, timestamp = publisher.files(), publisher.path_of("timestamp")

    def expire(signed: object) -> None:
        signed.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)  # type: ignore[attr-defined]

    resign = partial(published.resigned, publisher, files[timestamp], role="timestamp")
    yield "expired", files | {timestamp: resign(expire)}
    unsigned = files[timestamp].replace(b'"sig":', b'"gis":')
    yield "unsigned", files | {timestamp: unsigned}


def _seen_from_inside(server: HostileServer) -> str:
    """The server's address for a machine behind QEMU's own network."""
    return f"http://10.0.2.2:{server.server_port}"


def _artifact(path: Path) -> Artifact:
    return Artifact(f"sha256:{_sha256(path)}", path.stat().st_size, ("artifacts/it",))


def _signed_at(receipt: bytes) -> datetime:
    statement = json.loads(base64.b64decode(json.loads(receipt)["payload"]))
    return datetime.fromisoformat(statement["predicate"]["finishedOn"])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
