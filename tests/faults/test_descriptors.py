"""Fewer descriptors than connections: who comes too late waits, nobody's connection ends the node."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from faults.running import running

from plasm import Invocation, Manifest, read_module
from plasm.control.client import ControlClient
from plasm.model.manifest import canonical
from world import Plasm

pytestmark = pytest.mark.once

FEW = ("sh", "-c", 'ulimit -n 100 && exec "$@"', "sh")
MANY = 150


def test_a_node_out_of_descriptors_goes_on(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    with running(plasm_home, "--metrics", "127.0.0.1:0", prefix=FEW) as node:
        with ExitStack() as connections:
            for _ in range(MANY):
                connections.enter_context(ControlClient(plasm_home / "run" / "control.sock"))
            assert "of the owner's" in node.until("warning")[0]["detail"]
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"
        (metrics,) = node.until("metrics")
        for port in int(node.address.split("/")[4]), urlsplit(metrics["address"]).port:
            with ExitStack() as connections:
                for _ in range(MANY):
                    connections.enter_context(socket.create_connection(("127.0.0.1", port or 0)))
            assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"


def test_an_owner_that_leaves_at_any_moment_takes_nothing_down(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    """``submit`` without a peer ends on the node itself, through a connection within the process."""
    module = read_module(hello)
    request = {
        "do": "submit",
        "manifest": json.loads(canonical(Manifest(module.digest, Invocation(("abc",))))),
        "module": {"sha256": module.digest, "size": len(module.data)},
        "nonce": "ab" * 32,
    }
    with running(plasm_home) as node:
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n", "the node has the module from now on"
        for hears in (0, 0, 0, 0, 0, 1, 2, 3):
            for _ in range(10):
                with ControlClient(plasm_home / "run" / "control.sock") as client:
                    client.send("request", request)
                    for _ in range(hears):
                        client.receive()
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"
    assert "warning" not in node.events()
