"""The boot manifest: what a channel boots on an architecture in a mode.

It is a JSON document, published as a TUF target, and ``manifest.schema.json`` beside this module is its JSON Schema.
Its signatures are TUF's; here only its form is checked.  Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from plasm.model.quantities import MAX_SAFE_INTEGER
from plasm_boot.errors import InvalidBootManifest

MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 256 * 1024
MAX_ARTIFACT_BYTES: Final = 8 * 1024**3
_MAX_URLS: Final = 16
_MAX_TEXT: Final = 2048
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_RELATIVE_URL: Final = re.compile(r"(?!\.)[A-Za-z0-9_.~-]+(/(?!\.)[A-Za-z0-9_.~-]+)*", re.ASCII)
_ABSOLUTE_URL: Final = re.compile(
    r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:[0-9]{1,5})?(/[A-Za-z0-9_.~%!$&'()*+,;=:@/-]*)?",
    re.ASCII,
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"

ARCHITECTURES: Final = ("x86_64", "aarch64")


def target_path(channel: str, arch: str, mode: str) -> str:
    """Where in a repository's targets the manifest of a channel, an architecture and a mode is."""
    return f"{channel}/{arch}/{mode}/manifest.json"


def discovery_key(channel: str, arch: str) -> str:
    """The key under which providers of a channel for an architecture are found."""
    return f"/phase/{channel}/{arch}/manifest"


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise InvalidBootManifest(f"{value!r:.100} is not a hash like sha256: and 64 lower-case hexadecimal digits")
    return value


def _size(value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_ARTIFACT_BYTES:
        raise InvalidBootManifest(f"{value!r:.100} is not a size from 1 to {MAX_ARTIFACT_BYTES} bytes")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise InvalidBootManifest(f"{value!r:.100} is not printable text of at most {_MAX_TEXT} characters")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidBootManifest(f"{value!r:.100} is not a name of lower-case letters, digits and '-', '_', '.'")
    return value


def _url(value: object) -> str:
    url = _text(value)
    if _RELATIVE_URL.fullmatch(url):
        return url
    try:
        usable = _ABSOLUTE_URL.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidBootManifest(f"{url!r:.100} is neither a path in the repository nor an address of http or https")
    return url


def _urls(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MAX_URLS:
        raise InvalidBootManifest(f"{value!r:.100} is not a list of 1 to {_MAX_URLS} addresses")
    return tuple(_url(item) for item in value)


def _version(value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_SAFE_INTEGER:
        raise InvalidBootManifest(f"{value!r:.100} is not a version from 1 to 2^53-1")
    return value


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        if value.tzinfo is None or value.microsecond:
            raise InvalidBootManifest("a time in a boot manifest has a zone and whole seconds")
        return value.astimezone(UTC)
    try:
        moment = datetime.strptime(_text(value), _TIME).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or moment.strftime(_TIME) != value:
        raise InvalidBootManifest(f"{value!r:.100} is not a time like 2026-11-24T12:00:00Z")
    return moment


@frozen
class Artifact:
    """A file to boot with: ``hash`` is ``sha256:`` and hexadecimal, ``size`` in bytes, and ``urls`` where it is.

    A URL without a scheme is relative to the repository that the manifest came from.
    """

    hash: str = field(converter=_digest)
    size: int = field(converter=_size)
    urls: tuple[str, ...] = field(converter=_urls)

    @property
    def sha256(self) -> str:
        """The digest alone, in hexadecimal."""
        return self.hash.removeprefix("sha256:")


def _trees(value: Mapping[str, Artifact]) -> Mapping[str, Artifact]:
    return MappingProxyType({_name(name): artifact for name, artifact in value.items()})


@frozen
class BootManifest:
    """What to boot.  ``version`` grows with every publication in a channel."""

    version: int = field(converter=_version)
    channel: str = field(converter=_name)
    arch: str = field(converter=_name)
    mode: str = field(converter=_name)
    created_at: datetime = field(converter=_time)
    expires_at: datetime = field(converter=_time)
    kernel: Artifact
    initramfs: Artifact
    rootfs: Artifact
    cmdline: str = field(converter=_text)
    dtbs: Mapping[str, Artifact] = field(factory=dict, converter=_trees)

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """Every artifact by its name; a device tree's is ``dtbs/`` and its own."""
        trees = {f"dtbs/{name}": artifact for name, artifact in self.dtbs.items()}
        return {"kernel": self.kernel, "initramfs": self.initramfs, "rootfs": self.rootfs, **trees}

    def to_bytes(self) -> bytes:
        """The document, always the same for the same manifest."""
        return json.dumps(self._document(), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> BootManifest:
        """The manifest that ``data`` holds.

        Raises:
            InvalidBootManifest: it holds none; the message says what is wrong in it.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise InvalidBootManifest(f"a boot manifest of {len(data)} bytes, more than {MAX_MANIFEST_BYTES}")
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidBootManifest(f"the boot manifest is not JSON: {error}") from None
        top = _fields(
            document,
            "the boot manifest",
            {
                "manifest_version", "version", "channel", "arch", "mode",
                "created_at", "expires_at", "artifacts", "cmdline",
            },
        )  # fmt: skip
        if top.pop("manifest_version") != MANIFEST_VERSION or type(document["manifest_version"]) is not int:
            raise InvalidBootManifest(
                f"a boot manifest of version {document['manifest_version']!r:.40}, and this is made for "
                f"{MANIFEST_VERSION}",
                hint="boot from a newer image",
            )
        files = top.pop("artifacts")
        dtbs = files.pop("dtbs", {}) if isinstance(files, dict) else {}
        if not isinstance(dtbs, dict):
            raise InvalidBootManifest("dtbs in the boot manifest is not an object")
        named = _fields(files, "artifacts in the boot manifest", {"kernel", "initramfs", "rootfs"})
        return cls(
            **top,
            **{name: _artifact(value, name) for name, value in named.items()},
            dtbs={name: _artifact(value, f"dtbs/{name:.64}") for name, value in dtbs.items()},
        )

    def _document(self) -> dict[str, Any]:
        artifacts: dict[str, Any] = {name: _plain(getattr(self, name)) for name in ("kernel", "initramfs", "rootfs")}
        if self.dtbs:
            artifacts["dtbs"] = {name: _plain(artifact) for name, artifact in self.dtbs.items()}
        return {
            "manifest_version": MANIFEST_VERSION,
            "version": self.version,
            "channel": self.channel,
            "arch": self.arch,
            "mode": self.mode,
            "created_at": self.created_at.strftime(_TIME),
            "expires_at": self.expires_at.strftime(_TIME),
            "artifacts": artifacts,
            "cmdline": self.cmdline,
        }


def _plain(artifact: Artifact) -> dict[str, Any]:
    return {"hash": artifact.hash, "size": artifact.size, "urls": list(artifact.urls)}


def _artifact(value: object, name: str) -> Artifact:
    try:
        return Artifact(**_fields(value, name, {"hash", "size", "urls"}))
    except InvalidBootManifest as error:
        raise InvalidBootManifest(f"{name} in the boot manifest: {error.message}") from None


def _fields(value: object, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidBootManifest(f"{what} is not an object")
    if wrong := sorted(names.symmetric_difference(value)):
        raise InvalidBootManifest(f"{what} lacks or should not have: {', '.join(wrong)[:200]}")
    return dict(value)
