"""Reading a WebAssembly module from a file and refusing early what cannot be one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from attrs import field, frozen

from plasm.errors import InvalidModule, UnreadableInput
from plasm.model import MAX_MODULE_BYTES, Sha256, sha256_hex
from plasm.model.quantities import format_size

_PREAMBLE: Final = b"\0asm\x01\0\0\0"


@frozen
class Module:
    """A module's bytes and their digest."""

    data: bytes = field(repr=False)
    digest: Sha256

    @classmethod
    def of(cls, data: bytes, name: str = "the module") -> Module:
        """A module of ``data``; ``name`` is what error messages call it.

        Raises:
            InvalidModule: not the bytes of a core module (WebAssembly core specification, section 5.5.16); it says what
                they are instead.
        """
        _check_header(data, name)
        return cls(data, sha256_hex(data))


def read_module(path: Path | str) -> Module:
    """The module in the file at ``path``.

    Raises:
        UnreadableInput: no such file, a folder, or no permission.
        InvalidModule: too large, or not a module; it says what the file is instead.
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
    if len(data) > MAX_MODULE_BYTES:
        raise _too_large(name)
    if not data.startswith(_PREAMBLE):
        from plasm.artifacts.formats import refusal

        raise refusal(data, name)
