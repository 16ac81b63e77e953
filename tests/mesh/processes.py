"""Nodes as people start them: processes of their own, on loopback addresses, ended by signals."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from world import plasm_environment

PATIENCE_SECONDS = 60
TCP = "/ip4/127.0.0.1/tcp/0"
QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"


class NodeProcess:
    """``plasm start`` with a home of its own."""

    def __init__(
        self, home: Path, *options: str, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.log: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "plasm", "start", *options],
            env=plasm_environment(**{"PLASM_HOME": str(home), **(env or {})}),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.addresses = [line["address"] for line in self.until("listening", last=True)]

    @property
    def address(self) -> str:
        return self.addresses[0]

    @property
    def peer(self) -> str:
        return self.address.rpartition("/")[2]

    def until(self, event: str, *, last: bool = False) -> list[dict[str, Any]]:
        """Wait for an event; with ``last`` until the node says that it is ready.  Returns all of that event so far."""
        while True:
            found = [line for line in self.log if line["event"] == event]
            if found and not last:
                return found
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            assert line is not None, f"the node ended without {event!r}: {self.log}"
            if line.startswith("{"):
                self.log.append(json.loads(line))
            elif "this machine is the node" in line:
                return found

    def events(self) -> list[str]:
        """What has been logged; complete when the node has ended."""
        return [line["event"] for line in self.log]

    def kill(self) -> None:
        """End it as a power cut does."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.close()

    def stop(self) -> int:
        """Ask it to end; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.close()

    def close(self) -> int:
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            if line.startswith("{"):
                self.log.append(json.loads(line))
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def nodes(folder: Path, count: int, *options: str) -> Iterator[list[NodeProcess]]:
    """So many nodes on TCP and QUIC, without discovery unless ``options`` say otherwise."""
    started: list[NodeProcess] = []
    options = options or ("--discovery", "none")
    try:
        for number in range(count):
            home = folder / f"node{number}"
            started.append(NodeProcess(home, "--listen", TCP, "--listen", QUIC, "--workers", "1", *options))
        yield started
    finally:
        for node in started:
            if node.process.poll() is None:
                node.process.kill()
                node.close()
