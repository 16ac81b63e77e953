"""libp2p over QUIC and TCP fulfils the contract of a transport."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from plasm.testing import TransportContract

pytestmark = pytest.mark.once

if find_spec("plasm_transport_quic") is None:
    pytest.skip("plasm-plugin-transport-quic is not installed", allow_module_level=True)


class TestQuic(TransportContract):
    transport = "quic"
    addresses = (
        "/ip4/127.0.0.1/udp/0/quic-v1",
        "/ip4/127.0.0.1/tcp/0",
        "/ip6/::1/udp/0/quic-v1",
        "/ip6/::1/tcp/0",
    )
