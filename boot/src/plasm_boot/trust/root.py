"""Root metadata: which keys each role has, and how many of them must sign.  Pure.

A new version is signed by the threshold of the version before it and by its own, so that whoever trusts one version can
follow to the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from itertools import pairwise
from typing import Final

from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Role, Root, RootVerificationResult

from plasm_boot.errors import InvalidKeys, RootIncomplete

ROLES: Final = ("root", "targets", "snapshot", "timestamp")

RootMetadata = Metadata[Root]


def parse(data: bytes, name: str) -> RootMetadata:
    """The root metadata that ``data`` holds, whoever signed it; ``name`` is what people call it.

    Raises:
        InvalidKeys: it holds none.
    """
    try:
        metadata: RootMetadata = Metadata.from_bytes(data)
    except RepositoryError:
        raise InvalidKeys(f"{name} is not TUF metadata", hint="give a root.json") from None
    if not isinstance(metadata.signed, Root):
        raise InvalidKeys(f"{name} is metadata of another role", hint="give a root.json")
    return metadata


def first(keys: Mapping[str, Sequence[Key]], root_threshold: int, expires: datetime) -> RootMetadata:
    """Version 1, not signed yet: the ``keys`` by role; of those of root so many must sign, of the others one."""
    root = Root(
        version=1,
        expires=expires,
        roles={role: Role([], root_threshold if role == "root" else 1) for role in ROLES},
        consistent_snapshot=True,
    )
    for role in ROLES:
        for key in keys[role]:
            root.add_key(key, role)
    return Metadata(root)


def successor(root: Root, expires: datetime, keys: Mapping[str, Sequence[Key]]) -> RootMetadata:
    """The version after ``root``, not signed yet, in which the roles of ``keys`` have these keys only."""
    new = deepcopy(root)
    new.version += 1
    new.expires = expires
    for role, replacing in keys.items():
        for keyid in list(new.roles[role].keyids):
            new.revoke_key(keyid, role)
        for key in replacing:
            new.add_key(key, role)
    return Metadata(new)


def signers(root: Root, previous: Root | None) -> set[str]:
    """The ids of the keys whose signatures ``root`` can use."""
    return {keyid for each in (root, previous) if each is not None for keyid in each.roles["root"].keyids}


def signatures(root: RootMetadata, previous: RootMetadata | None) -> RootVerificationResult:
    """Who has signed ``root`` of those who must: by the version before it, and by itself.

    Raises:
        InvalidKeys: ``previous`` is not the version before.
    """
    try:
        return root.signed.get_root_verification_result(
            None if previous is None else previous.signed, root.signed_bytes, root.signatures
        )
    except ValueError as error:
        raise InvalidKeys(f"version {root.signed.version} of root does not follow: {error}") from None


def require_complete(chain: Iterable[RootMetadata]) -> None:
    """Check that each root of ``chain``, oldest first, has all signatures that it needs.

    Raises:
        InvalidKeys: they do not follow each other.
        RootIncomplete: one has not; the message says how many are missing.
    """
    for previous, root in pairwise([None, *chain]):
        assert root is not None
        if missing := missing_signatures(signatures(root, previous)):
            raise RootIncomplete(
                f"version {root.signed.version} of root lacks {missing}",
                hint="have those who hold root keys run: plasm boot keys sign KEYS/root.json --key FOLDER",
            )


def awaited(chain: Sequence[RootMetadata]) -> str:
    """What the newest of ``chain``, oldest first, lacks before it takes the place of the one before it, in words.

    Raises:
        InvalidKeys: they do not follow each other.
    """
    return missing_signatures(signatures(chain[-1], chain[-2])) if len(chain) > 1 else ""


def missing_signatures(result: RootVerificationResult) -> str:
    """What is missing, in words; nothing where it is complete."""
    wanted = [
        f"{each.missing} of the {each.threshold} signatures by the {whose} root keys"
        for each, whose in ((result.first, "former"), (result.second, "present"))
        if each.missing
    ]
    same = result.first.unsigned.keys() == result.second.unsigned.keys()
    return " and ".join(wanted[-1:] if same else wanted)
