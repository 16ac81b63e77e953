"""What bytes are that are not a core WebAssembly module: the usual mistakes by name.  Pure; imported to refuse."""

from __future__ import annotations

from typing import Final

from plasm.errors import InvalidModule

_MAGIC: Final = b"\0asm"
_PREAMBLE_BYTES: Final = 8
_COMPONENT_LAYER: Final = 1
_SAMPLE_BYTES: Final = 4096
_MAX_CUT_CHARACTER: Final = 3
_COMPILE: Final = "compile the source for wasm32-wasip1"
_LINK: Final = "link it into a module for wasm32-wasip1"
_UNPACK: Final = "unpack it first"
_BINARY_FORMATS: Final = (
    (b"\x7fELF", "a native program or a precompiled artifact", _COMPILE),
    (b"MZ", "a Windows program", _COMPILE),
    (b"\xcf\xfa\xed\xfe", "a macOS program", _COMPILE),
    (b"\xca\xfe\xba\xbe", "a macOS program or a Java class", _COMPILE),
    (b"BC\xc0\xde", "LLVM bitcode", _LINK),
    (b"!<arch>\n", "a static library", _LINK),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
)
_TAR: Final = b"ustar"
_TAR_OFFSET: Final = 257
_WEBASSEMBLY_TEXT: Final = ("(module", "(component", ";;", "(;", "(func")
_WEB_PAGE: Final = ("<!doctype html", "<html")


def refusal(data: bytes, name: str) -> InvalidModule:
    """The error that says what ``data``, called ``name``, is in place of a core module."""
    if not data:
        return InvalidModule(f"{name} is empty", hint="check that the compiler wrote the file")
    if data[: len(_MAGIC)] != _MAGIC[: len(data)]:
        what, hint = _other_format(data)
        return InvalidModule(f"{name} is {what}", hint=hint)
    if len(data) < _PREAMBLE_BYTES:
        return InvalidModule(f"{name} is cut short after {len(data)} bytes", hint="copy or download it again")
    version, layer = int.from_bytes(data[4:6], "little"), int.from_bytes(data[6:8], "little")
    if layer == _COMPONENT_LAYER:
        return InvalidModule(
            f"{name} is a WebAssembly component, not a core module",
            hint="compile for wasm32-wasip1 (preview 1) in place of wasm32-wasip2",
        )
    return InvalidModule(
        f"{name} is of WebAssembly version {version} (layer {layer}), which is not known",
        hint="compile for wasm32-wasip1",
    )


def _other_format(data: bytes) -> tuple[str, str]:
    """What ``data`` is, and what to do about it."""
    for start, what, hint in _BINARY_FORMATS:
        if data.startswith(start):
            return f"{what}, not a WebAssembly module", hint
    if data.startswith(_TAR, _TAR_OFFSET):
        return "a tar archive, not a WebAssembly module", _UNPACK
    text = _as_text(data[:_SAMPLE_BYTES])
    if text is None:
        return "not a WebAssembly module: it does not start with \\0asm", "compile for wasm32-wasip1"
    begin = text.lstrip("\ufeff \t\r\n")
    if begin.startswith(_WEBASSEMBLY_TEXT):
        return "WebAssembly text, not a binary module", "translate it first, with wat2wasm for instance"
    if begin[:20].lower().startswith(_WEB_PAGE):
        return "a web page, not a WebAssembly module", "download the file itself, not the page that shows it"
    return "text, not a WebAssembly module", "name the compiled .wasm file"


def _as_text(sample: bytes) -> str | None:
    """The text that begins with ``sample``; ``None`` where it is none.  The last character may be cut."""
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        if error.start < len(sample) - _MAX_CUT_CHARACTER:
            return None
        text = sample[: error.start].decode()
    return text if all(char.isprintable() or char in "\t\r\n\ufeff" for char in text) else None
