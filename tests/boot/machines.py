"""Machines under QEMU whose serial console is read and typed at, and a network of their own for them.

Nothing reaches the real network: the machines hang on a bridge in a network namespace, with the host's own ends of it.
"""

from __future__ import annotations

import base64
import itertools
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from attrs import define, evolve, field

from plasm_boot import emulator
from plasm_boot.building.run import find
from plasm_boot.stage2.hello import BEGIN, END

HOST = "192.0.2.1"
HOST_6 = "2001:db8::1"
_NUMBERS = itertools.count(1)


class Silence(AssertionError):
    """A console on which the awaited line did not come."""


@define(eq=False)
class Console:
    """The serial console of a machine that runs: ``text`` is all that it has said."""

    process: subprocess.Popen[bytes]
    text: str = ""
    _changed: threading.Condition = field(factory=threading.Condition)
    _read: int = 0

    def listen(self) -> None:
        """Take in what the machine says until it ends; in a thread of its own."""
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            with self._changed:
                self.text += data.decode("utf-8", "replace").replace("\r", "")
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def expect(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait for what ``pattern`` describes, in what came after that which was waited for before."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (match := re.compile(pattern, re.MULTILINE).search(self.text, self._read)) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise Silence(f"no {pattern!r} within {seconds:.0f} s; the last of what came:\n{self.text[-6000:]}")
                self._changed.wait(min(left, 1.0))
            self._read = match.end()
        return match

    def send(self, keys: str) -> None:
        """Press keys."""
        assert self.process.stdin is not None
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def receipt(self, seconds: float) -> bytes:
        """The receipt of the first job, of a system whose every unit started."""
        match = self.expect(f"^{BEGIN}\n(?P<line>[A-Za-z0-9+/=]+)\n{END}$", seconds)
        assert "Failed to start" not in self.text, self.text
        return base64.b64decode(match["line"], validate=True)


@contextmanager
def running(machine: emulator.Machine, inside: Sequence[str] = ()) -> Iterator[Console]:
    """Run ``machine`` while the block lasts; ``inside`` goes before its command."""
    command = [*inside, *emulator.command(evolve(machine, serial="stdio"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    console = Console(process)
    listener = threading.Thread(target=console.listen, daemon=True)
    listener.start()
    try:
        yield console
    finally:
        process.kill()
        process.wait()
        listener.join()


@define(eq=False)
class Lan:
    """A network namespace with a bridge, where the host is :data:`HOST` or :data:`HOST_6` and gives addresses."""

    name: str
    _taps: int = 0

    @property
    def inside(self) -> list[str]:
        """What goes before a command that is to run there."""
        # As ip netns exec and ip -n do, which change mounts too, and cannot below a chroot.
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def cable(self) -> str:
        """A new cable to the bridge, as QEMU's ``-netdev``."""
        self._taps += 1
        tap = f"tap{self._taps}"
        _run(*self.inside, "ip", "tuntap", "add", tap, "mode", "tap")
        _run(*self.inside, "ip", "link", "set", tap, "master", "lan0", "up")
        return f"tap,id=net0,ifname={tap},script=no,downscript=no"

    @contextmanager
    def process(
        self, *command: str | Path, ready: str = "", environment: dict[str, str] | None = None
    ) -> Iterator[str]:
        """A process of the host's on this network while the block lasts; gives the line in which it says ``ready``."""
        started = subprocess.Popen(
            [*self.inside, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        assert started.stdout is not None
        said: list[str] = []
        try:
            for line in started.stdout:
                said.append(line)
                if re.search(ready, line):
                    break
            else:
                raise AssertionError(f"{command} ended: {''.join(said)}")
            threading.Thread(target=_drain, args=(started,), daemon=True).start()
            yield said[-1]
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def lan(folder: Path) -> AbstractContextManager[Lan]:
    """A network for machines, with DHCP; ``folder`` is for its leases."""
    return _lan(folder, f"{HOST}/24", "--dhcp-range=192.0.2.10,192.0.2.99")


def ipv6_lan(folder: Path) -> AbstractContextManager[Lan]:
    """A network with nothing but IPv6, which a router advertises."""
    return _lan(folder, f"{HOST_6}/64", "--enable-ra", "--dhcp-range=::,constructor:lan0,ra-only")


@contextmanager
def _lan(folder: Path, address: str, *addressing: str) -> Iterator[Lan]:
    made = Lan(f"plasm-{os.getpid()}-{next(_NUMBERS)}")
    with ExitStack() as stack:
        _run("ip", "netns", "add", made.name)
        stack.callback(_run, "ip", "netns", "delete", made.name)
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "add", "lan0", "type", "bridge", "forward_delay", "0"),
            ("link", "set", "lan0", "up"),
            ("address", "add", address, "dev", "lan0", "nodad"),
            ("route", "add", "224.0.0.0/4", "dev", "lan0"),
        ):
            _run(*made.inside, "ip", *words)
        command = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--port=0"]
        command += ["--log-facility=-", "--interface=lan0", "--bind-dynamic", *addressing, "--pid-file="]
        command += [f"--dhcp-leasefile={folder / 'leases'}"]
        stack.enter_context(made.process(*command, ready="DHCP, IP range|router advertisement on"))
        yield made


def needed() -> None:
    """Skip the test where something is missing that it needs."""
    if os.geteuid():
        pytest.skip("needs root, for a network of its own")
    missing = [name for name in ("qemu-system-x86_64", "dnsmasq", "ip") if find(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/net/tun")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for _ in process.stdout:
        pass
