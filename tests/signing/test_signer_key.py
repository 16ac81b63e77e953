"""The key in memory and as text."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_open

import plasm_signing_ed25519 as plugin
from plasm import hookspecs
from plasm.config import Config
from plasm.model import PeerId, Sha256
from plasm.receipts import LegacyReceipt, issue_legacy, verify_legacy
from plasm_signing_ed25519._pem import decode_seed, encode_seed
from plasm_signing_ed25519._signer import Ed25519Signer

# RFC 8410, section 10.3: a private key and its public half.
RFC_8410_PEM = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
RFC_8410_PUBLIC_KEY = bytes.fromhex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")

# RFC 8032, section 7.1, test 2.
RFC_8032_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC_8032_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


@pytest.fixture
def signer() -> Ed25519Signer:
    return Ed25519Signer(RFC_8032_SEED)


def test_the_key_of_rfc_8410_is_read_and_written() -> None:
    seed = decode_seed(RFC_8410_PEM)
    assert Ed25519Signer(seed).public_key == RFC_8410_PUBLIC_KEY
    assert encode_seed(seed) == RFC_8410_PEM


def test_line_ends_do_not_matter() -> None:
    assert decode_seed(RFC_8410_PEM.replace(b"\n", b"\r\n")) == decode_seed(RFC_8410_PEM)
    assert decode_seed(RFC_8410_PEM.strip()) == decode_seed(RFC_8410_PEM)


def test_a_text_changed_in_any_byte_is_no_key_or_another() -> None:
    seed = decode_seed(RFC_8410_PEM)
    body = range(RFC_8410_PEM.index(b"INTuctv5"), RFC_8410_PEM.index(b"\n-----END"))
    for position in range(len(RFC_8410_PEM) - 1):
        changed = bytearray(RFC_8410_PEM)
        changed[position] ^= 1
        try:
            other = decode_seed(bytes(changed))
        except ValueError:
            continue
        assert position in body
        assert other != seed


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_no_key(content: bytes) -> None:
    with pytest.raises(ValueError, match="not an unencrypted Ed25519 key"):
        decode_seed(content)


def test_the_signature_of_rfc_8032(signer: Ed25519Signer) -> None:
    assert signer.sign(b"\x72") == RFC_8032_SIGNATURE


def test_a_signature_is_over_the_message_itself(signer: Ed25519Signer) -> None:
    for message in (b"", b"a", bytes(100_000)):
        assert crypto_sign_open(signer.sign(message) + message, signer.public_key) == message


def test_the_signer_issues_receipts(signer: Ed25519Signer) -> None:
    receipt = LegacyReceipt(Sha256("0" * 64), 0, 1, 2, PeerId(signer.public_key))
    assert verify_legacy(issue_legacy(receipt, signer)) == receipt


def test_the_seed_is_not_shown(signer: Ed25519Signer) -> None:
    shown = f"{signer!r} {signer} {signer.__dir__()}"
    assert str(PeerId(signer.public_key)) in shown
    assert RFC_8032_SEED.hex() not in shown
    assert repr(RFC_8032_SEED) not in shown


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_key_does_not_leave_the_process(signer: Ed25519Signer, leave: Any) -> None:
    with pytest.raises(TypeError, match="private key"):
        leave(signer)


def test_importing_the_plugin_does_not_import_nacl() -> None:
    script = "import sys, plasm_signing_ed25519; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "plasm_signing_ed25519" in output.split()
    assert "nacl" not in output.split()


def test_the_plugin_speaks_the_hook_api(tmp_path: Path) -> None:
    assert plugin.PLASM_HOOK_API == hookspecs.HOOK_API
    manager = pluggy.PluginManager("plasm")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    config = Config.from_environment({"PLASM_HOME": str(tmp_path)})
    made = manager.hook.plasm_create_identity(config=config, replace=False)
    assert manager.hook.plasm_signer(config=config).public_key == made.public_key
