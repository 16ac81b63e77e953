"""What Debian users get works: packages that install without a network, run a job, and go away again.

Slow, so that it is done once, with the Python that Debian 12 has.  What is left in build/packaging is a fresh Debian
to unpack; all else goes.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from plasm.control.address import short_path
from world import EXAMPLES, ROOT

WORK = ROOT / "build" / "packaging"
SCRIPTS = ROOT / "packaging" / "debian"
UNIT = ROOT / "core" / "src" / "plasm" / "service" / "plasmd.service"
SITE = "usr/lib/plasm/site-packages"
PATIENCE_SECONDS = 60
PROGRAMS = ("mmdebstrap", "lintian", "apt-ftparchive", "gpg", "gpg-agent", "dpkg-deb", "unshare", "ip")
E_MACHINE = {"amd64": 62, "arm64": 183}


def _reason_not_to() -> str | None:
    if sys.version_info[:2] != (3, 11):
        return "packages are tested once, with Python 3.11 as Debian 12 has it"
    if os.uname().machine != "x86_64":
        return "packages are tried out on x86_64"
    if os.geteuid() != 0:
        return "only root can make a Debian to install packages in"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    install = "apt install mmdebstrap lintian apt-utils gpg gpg-agent"
    return f"not here: {', '.join(missing)} ({install})" if missing else None


pytestmark = [pytest.mark.once, pytest.mark.skipif(_reason_not_to() is not None, reason=str(_reason_not_to()))]


@pytest.fixture(autouse=True)
def _take_your_time() -> None:
    """Some of this takes minutes on a busy machine, longer than tests may that could hang."""
    faulthandler.cancel_dump_traceback_later()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """While no other process of this test run does the same."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def debs(testrun_uid: str) -> Path:
    """Packages for Debian 12 on amd64; one set for one test run."""
    return packages("amd64", testrun_uid)


def packages(architecture: str, test_run: str) -> Path:
    folder = WORK / architecture
    with alone(architecture):
        made_for = folder / "made-for"
        if not made_for.exists() or made_for.read_text() != test_run:
            shutil.rmtree(folder, ignore_errors=True)
            build(folder, architecture)
            made_for.write_text(test_run)
    return folder


def build(out: Path, architecture: str) -> None:
    command = [sys.executable, SCRIPTS / "build.py", out, "--release", "bookworm", "--arch", architecture]
    environment = plain_environment() | {"SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run([*command, "--effort", "0"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PLASM_")}


@pytest.fixture(scope="module")
def bookworm() -> Path:
    """A fresh Debian 12 as an archive."""
    archive = WORK / "bookworm.tar"
    with alone("bookworm"):
        if not archive.exists():
            new = WORK / "bookworm.new.tar"
            command = ["mmdebstrap", "--variant=apt", "--include=python3,adduser", "bookworm", new]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"mmdebstrap cannot make a Debian here: {done.stderr.strip().splitlines()[-1]}")
            new.rename(archive)
    return archive


def _propagation() -> str:
    """Below a chroot, whose root is no mount, propagation cannot be changed."""
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "private" if tried.returncode == 0 else "unchanged"


class Machine:
    """A root file system, whose programs run without any network but loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *command: object) -> list[str]:
        script = 'ip link set lo up; mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
        alone = ["unshare", "--mount", "--propagation", _propagation(), "--net", "--pid", "--fork", "--kill-child"]
        words = [*alone, "sh", "-c", script, self.root]
        return [str(word) for word in (*words, *command)]

    def run(self, *command: object, status: int = 0) -> str:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        done = subprocess.run(
            self.command(*command), env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == status, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def __truediv__(self, path: str) -> Path:
        return self.root / path


@pytest.fixture
def machine(bookworm: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A Debian 12 of this test's own."""
    root = WORK / request.node.name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    subprocess.run(["tar", "-xf", bookworm, "-C", root], check=True)
    (root / "etc/apt/sources.list").write_text("")
    shutil.copy(EXAMPLES / "hello" / "hello.wasm", root / "root")
    yield Machine(root)
    shutil.rmtree(root)


@pytest.mark.parametrize("package", ["plasm", "plasm-runtime-wasmer"])
def test_lintian_has_nothing_to_say(debs: Path, package: str) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]
    done = subprocess.run([*command, *debs.glob(f"{package}_*.deb")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("architecture", E_MACHINE)
def test_what_is_compiled_is_for_the_packages_architecture(testrun_uid: str, tmp_path: Path, architecture: str) -> None:
    made = list(packages(architecture, testrun_uid).glob(f"*_{architecture}.deb"))
    assert len(made) == 2
    for deb in made:
        subprocess.run(["dpkg-deb", "-x", deb, tmp_path], check=True)
    objects = {path.name: path.read_bytes()[:20] for path in tmp_path.rglob("*") if ".so" in path.suffixes}
    assert {"_libwasmtime.so", "libwasmer_sdk_uniffi.so"} <= objects.keys()
    machines = {name: int.from_bytes(head[18:20], "little") for name, head in objects.items() if head[:4] == b"\x7fELF"}
    assert objects.keys() == machines.keys()
    assert set(machines.values()) == {E_MACHINE[architecture]}
    shutil.rmtree(tmp_path / "usr")


def test_the_same_tree_gives_the_same_package(debs: Path, tmp_path: Path) -> None:
    build(tmp_path, "amd64")
    for deb in tmp_path.glob("*.deb"):
        assert hashlib.sha256(deb.read_bytes()).digest() == hashlib.sha256((debs / deb.name).read_bytes()).digest()
        deb.unlink()


def test_a_package_is_installed_used_removed_and_purged(debs: Path, machine: Machine) -> None:
    before = state_of(machine)
    shutil.copytree(debs, machine / "root/debs")
    machine.run("sh", "-c", "apt-get install --yes /root/debs/plasm_*_amd64.deb")

    assert machine.run("plasm", "run", "/root/hello.wasm", "Hello", "--receipt", "/root/receipt.json") == "olleH\n"
    identity = machine.run("plasm", "identity").strip()
    machine.run("plasm", "verify", "/root/receipt.json", "--module", "/root/hello.wasm", "--signer", identity)
    assert (machine / "etc/systemd/system/multi-user.target.wants/plasmd.service").is_symlink()
    assert (machine / SITE / "plasm/__pycache__").is_dir()
    machine.run("plasm", "config", "check", "/etc/plasm/config.toml")

    machine.run("sh", "-c", "apt-get install --yes /root/debs/plasm-runtime-wasmer_*_amd64.deb")
    assert machine.run("plasm", "--runtime", "wasmer", "run", "/root/hello.wasm", "Hello") == "olleH\n"

    with notified(machine / "run/notify") as told:
        assert json.loads(machine.run("sh", "-c", _as_the_service()))["node"].startswith("12D3KooW")
    assert b"READY=1" in told[0]
    assert b"STOPPING=1" in told[-1]
    key = machine / "var/lib/plasm/identity/ed25519.pem"
    assert key.stat().st_mode & 0o777 == 0o600

    with (machine / "etc/plasm/config.toml").open("a") as file:
        file.write("\n# mine\n")
    machine.run("apt-get", "remove", "--yes", "plasm")
    assert not (machine / "usr/bin/plasm").exists()
    assert not (machine / "usr/lib/plasm").exists()
    assert not (machine / "var/cache/plasm").exists()
    assert key.exists()
    assert "# mine" in (machine / "etc/plasm/config.toml").read_text()

    machine.run("apt-get", "purge", "--yes", "plasm", "plasm-runtime-wasmer")
    assert state_of(machine) == before
    assert "plasm" not in (machine / "etc/passwd").read_text() + (machine / "etc/group").read_text()


def state_of(machine: Machine) -> set[str]:
    """Every file and folder, but those in which dpkg, apt, adduser and the test itself keep what they did."""
    kept = {"root", "proc", "tmp", "var/log", "var/lib/dpkg", "var/lib/apt", "var/cache/apt", "var/cache/debconf"}
    kept.add("run/adduser")
    found = set()
    for folder, names, files in os.walk(machine.root):
        here = Path(folder).relative_to(machine.root)
        names[:] = [name for name in names if str(here / name) not in kept]
        # passwd- and its like are what adduser keeps of the files before.
        found |= {str(here / name) for name in (*names, *files) if not name.endswith("-")}
    return found - kept


@contextmanager
def notified(path: Path) -> Iterator[list[bytes]]:
    """What a service tells systemd at ``path``, in a list that is complete at the end."""
    told: list[bytes] = []
    name, folder = short_path(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name)
        os.close(folder)
        path.chmod(0o666)
        yield told
        listening.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                told.append(listening.recv(4096))
    path.unlink()


def _as_the_service() -> str:
    """Run the node as the unit says, ask it as root, and let it end."""
    settings = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#"]
    said = {key: [value for name, _, value in settings if name == key] for key, _, _ in settings}
    (user,), (start,), environment = said["User"], said["ExecStart"], " ".join(said["Environment"])
    return f"""
        set -e
        install -d -o {user} -m 700 /var/lib/plasm /var/cache/plasm /run/plasm
        env -i NOTIFY_SOCKET=/run/notify {environment} setpriv --reuid {user} --regid {user} --clear-groups \\
            --no-new-privs --bounding-set=-all --inh-caps=-all {start} 2>/root/log &
        for _ in $(seq {PATIENCE_SECONDS}); do plasm status >/dev/null 2>&1 && break; sleep 1; done
        plasm status --json
        plasm drain >/dev/null 2>&1 || {{ cat /root/log >&2; exit 1; }}
        wait
        rm -r /run/plasm
    """


def test_packages_come_from_the_signed_repository(debs: Path, machine: Machine) -> None:
    command = [sys.executable, SCRIPTS / "repository.py", debs, machine / "srv/apt"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, env=plain_environment())
    assert made.returncode == 0, made.stderr
    source = "deb [signed-by=/srv/apt/plasm-archive-keyring.gpg] file:/srv/apt/bookworm ./\n"
    (machine / "etc/apt/sources.list.d/plasm.list").write_text(source)

    machine.run("apt-get", "update", "--error-on=any")
    machine.run("apt-get", "install", "--yes", "plasm-runtime-wasmer")
    assert machine.run("plasm", "run", "/root/hello.wasm", "Hello") == "olleH\n"
    installed = {entry["name"] for entry in json.loads(machine.run("plasm", "plugins", "--json"))}
    assert {"wasmtime", "wasmer", "ed25519", "quic", "mdns", "dht"} <= installed

    packages = machine / "srv/apt/bookworm/Packages"
    packages.write_text(packages.read_text().replace("Depends: adduser, ", "Depends: "))
    (machine / "srv/apt/bookworm/Packages.gz").write_bytes(gzip.compress(packages.read_bytes()))
    machine.run("sh", "-c", "rm -r /var/lib/apt/lists; ! apt-get update --error-on=any")
