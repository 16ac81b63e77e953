"""A built system: what the builder leaves for publishing, ``BUILD/<mode>/system.json`` and the files beside it.

The document is ``{"mode", "arch", "cmdline", "built_at", "files": {"kernel", "initramfs", "rootfs", "dtbs"?}}``; each
file is ``{"name", "sha256", "size"}``, and ``dtbs`` holds such files by the name of the device tree.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cattrs
from attrs import Factory, define, field, validators
from cattrs.gen import make_dict_unstructure_fn, override

from plasm.errors import InvalidInput, UnreadableInput
from plasm_boot.errors import InvalidSystem
from plasm_boot.manifest import ARCHITECTURES

SYSTEM: Final = "system.json"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_MAX_BYTES: Final = 256 * 1024
_FILE_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.,+-]{0,127}"
_MODE: Final = r"[a-z0-9][a-z0-9_.-]{0,63}"


@define(frozen=True)
class SystemFile:
    """A file beside ``system.json``: its ``name``, its SHA-256 in hexadecimal, its ``size`` in bytes."""

    name: str = field(validator=validators.matches_re(_FILE_NAME))
    sha256: str = field(validator=validators.matches_re(r"[0-9a-f]{64}"))
    size: int = field(validator=validators.gt(0))

    @classmethod
    def of(cls, path: Path) -> SystemFile:
        """The description of the file at ``path`` as it is now.

        Raises:
            UnreadableInput: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                return cls(path.name, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())
        except OSError as error:
            raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="build the system again") from None
        except ValueError as error:
            raise InvalidSystem(f"{path} cannot be part of a system: {error}", hint="build the system again") from None


@define(frozen=True)
class SystemFiles:
    """What a machine boots."""

    kernel: SystemFile
    initramfs: SystemFile
    rootfs: SystemFile
    dtbs: dict[str, SystemFile] = Factory(dict)


@define(frozen=True)
class System:
    """A system of one mode for one architecture.  ``built_at`` is in UTC and whole seconds."""

    mode: str = field(validator=validators.matches_re(_MODE))
    arch: str = field(validator=validators.in_(ARCHITECTURES))
    cmdline: str
    built_at: datetime
    files: SystemFiles

    def to_bytes(self) -> bytes:
        """The document, always the same for the same system."""
        return json.dumps(_converter.unstructure(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> System:
        """What :meth:`to_bytes` wrote.

        Raises:
            InvalidSystem: ``data`` is no such document; the message says what is wrong in it.
        """
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidSystem(f"{SYSTEM} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise InvalidSystem(f"{SYSTEM} is not an object")
        try:
            return _converter.structure(document, cls)
        except cattrs.BaseValidationError as error:
            raise InvalidSystem(f"{SYSTEM}: {'; '.join(cattrs.transform_error(error))[:400]}") from None

    @classmethod
    def read(cls, folder: Path) -> System:
        """The system that lies in ``folder``; its files are not looked at.

        Raises:
            UnreadableInput: there is none.
            InvalidSystem: what is there is none.
        """
        path = folder / SYSTEM
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES)
        except OSError as error:
            raise UnreadableInput(
                f"{path} cannot be read: {error.strerror}", hint="give a folder that plasm boot build wrote"
            ) from None
        try:
            return cls.from_bytes(data)
        except InvalidInput as error:
            raise InvalidSystem(f"{folder}: {error.message}", hint="build the system again") from None


def _strictly(kind: type[Any]) -> Any:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r:.100} is not of type {kind.__name__}")
        return value

    return structure


_converter: Final = cattrs.Converter(forbid_extra_keys=True)
for _kind in (str, int):
    _converter.register_structure_hook(_kind, _strictly(_kind))
_converter.register_structure_hook(datetime, lambda text, _: datetime.strptime(text, _TIME).replace(tzinfo=UTC))
_converter.register_unstructure_hook(datetime, lambda moment: moment.astimezone(UTC).strftime(_TIME))
_converter.register_unstructure_hook(
    SystemFiles, make_dict_unstructure_fn(SystemFiles, _converter, dtbs=override(omit_if_default=True))
)
