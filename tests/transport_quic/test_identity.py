"""The node's key stays with its signer."""

from __future__ import annotations

import subprocess
import sys

import pytest
from nacl.signing import VerifyKey
from transport_quic.peers import Key

from plasm.errors import IdentityError
from plasm.model import PeerId
from plasm_transport_quic.identity import DelegatedKey, key_pair, libp2p_id, plasm_id
from plasm_transport_quic.transport import Libp2pTransport


def test_signing_is_the_signers() -> None:
    signer = Key()
    keys = key_pair(signer)
    VerifyKey(signer.public_key).verify(b"message", keys.private_key.sign(b"message"))
    assert keys.public_key.verify(b"message", signer.sign(b"message"))
    assert keys.public_key.to_bytes() == signer.public_key


def test_the_private_half_cannot_be_had() -> None:
    key = DelegatedKey(Key())
    for read in (key.to_bytes, key.serialize):
        with pytest.raises(TypeError, match="does not leave its signer"):
            read()
    assert key == DelegatedKey(key._signer)
    assert key != DelegatedKey(Key())


class LockedKey(Key):
    def sign(self, message: bytes) -> bytes:
        raise IdentityError("the key is locked")


@pytest.mark.anyio
async def test_a_key_that_cannot_be_used_now_is_said() -> None:
    with pytest.raises(IdentityError, match="locked"):
        await Libp2pTransport(LockedKey()).__aenter__()


def test_peer_ids_are_the_same_in_both_forms() -> None:
    peer = PeerId(Key().public_key)
    assert plasm_id(libp2p_id(peer)) == peer


def test_looking_at_the_plugin_imports_no_library() -> None:
    libraries = {"libp2p", "trio", "aioquic", "anyio"}
    program = f"import sys, plasm_transport_quic; print(sorted({libraries} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
