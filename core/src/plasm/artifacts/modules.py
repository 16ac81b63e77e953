"""Reading a WebAssembly module from a file and refusing early what cannot be one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from attrs import field, frozen

from plasm.errors import InvalidModule, UnreadableInput
from plasm.model import MAX_MODULE_BYTES, Sha256, sha256_hex
from plasm.model.quantities import format_size

_MAGIC = b"\0asm"
_CORE_MODULE = b"\x01\0\0\0"
_COMPONENT_LAYER = b"\x01\0"


@frozen
class Module:
    """A module's bytes and their digest."""

    data: bytes = field(repr=False)
    digest: Sha256

    @classmethod
    def of(cls, data: bytes, name: str = "the module") -> Module:
        """A module of ``data``; ``name`` is what error messages call it.

        Raises:
            InvalidModule: not the bytes of a core module (WebAssembly core specification, section 5.5.16).
        """
        _check_header(data, name)
        return cls(data, sha256_hex(data))


def read_module(path: Path | str) -> Module:
    """The module in the file at ``path``.

    Raises:
        UnreadableInput: no such file, a folder, or no permission.
        InvalidModule: too large, or not a module.
    """
    name = str(path)
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > MAX_MODULE_BYTES:
                raise _too_large(name)
            chunks, size = [], 0
            while chunk := file.read(min(MAX_MODULE_BYTES + 1 - size, 2**20) or 1):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_MODULE_BYTES:
                    raise _too_large(name)
    except FileNotFoundError:
        raise UnreadableInput(f"there is no file {name}", hint="give the path of a .wasm file") from None
    except IsADirectoryError:
        raise UnreadableInput(f"{name} is a folder", hint="give the path of a .wasm file") from None
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return Module.of(b"".join(chunks), name)


def _too_large(name: str) -> InvalidModule:
    return InvalidModule(f"{name} is larger than {format_size(MAX_MODULE_BYTES)}", hint="strip debug information")


def _check_header(data: bytes, name: str) -> None:
    if not data:
        raise InvalidModule(f"{name} is empty")
    if len(data) > MAX_MODULE_BYTES:
        raise _too_large(name)
    if data[:4] != _MAGIC[: len(data)]:
        textual = data.lstrip()[:1] == b"(" and "WebAssembly text; assemble it with wat2wasm"
        raise InvalidModule(f"{name} is not a WebAssembly module", hint=textual or "it does not start with \\0asm")
    if len(data) < len(_MAGIC) + 4:
        raise InvalidModule(f"{name} is cut short after {len(data)} bytes")
    if data[4:8] != _CORE_MODULE:
        if data[6:8] == _COMPONENT_LAYER:
            raise InvalidModule(f"{name} is a component, Plasm runs core modules", hint="build it for wasm32-wasip1")
        raise InvalidModule(f"{name} has an unknown binary version")
