"""Signs with an Ed25519 key kept in a PEM file: ``identity/ed25519.pem`` in Plasm's data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl
from plasm_signing_ed25519._key_file import create, load, replace_or_create
from plasm_signing_ed25519._signer import Ed25519Signer

if TYPE_CHECKING:
    from plasm.config import Config

PLASM_HOOK_API = 1
PLASM_PREFERENCE = 100


@hookimpl
def plasm_signer(config: Config) -> Ed25519Signer:
    """The signer with the key that is there; raises ``IdentityMissing`` where there is none."""
    return load(_key_path(config))


@hookimpl
def plasm_create_identity(config: Config, replace: bool) -> Ed25519Signer:
    """A signer with a new key; with ``replace``, one that is there is kept beside it under another name."""
    return replace_or_create(_key_path(config)) if replace else create(_key_path(config))


def _key_path(config: Config) -> Path:
    return config.data_dir / "identity" / "ed25519.pem"
