"""Two hosts, each a network namespace, joined by a cable: nothing of it reaches the real network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from discovery_mdns.namespaces import apart

from plasm.model import PeerId

pytestmark = pytest.mark.once

pytest.importorskip("plasm_discovery_mdns")

TWO_HOSTS = Path(__file__).with_name("two_hosts.py")


@pytest.mark.parametrize(("family", "addresses"), [("ip4", "192.0.2."), ("ip6", "2001:db8::")])
def test_two_hosts_find_each_other_and_hear_good_bye(family: str, addresses: str) -> None:
    command = [*apart(), sys.executable, str(TWO_HOSTS), family]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    first, second = (str(PeerId(bytes([number]) * 32)) for number in (0, 1))
    assert result["first"] == [second, f"/{family}/{addresses}2/udp/4001/quic-v1/p2p/{second}"]
    assert result["second"] == [first, f"/{family}/{addresses}1/udp/4001/quic-v1/p2p/{first}"]
    assert result["left"] == []
