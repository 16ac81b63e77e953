"""What a file is, told from its first bytes, so that the most common mistakes are named as what they are."""

from __future__ import annotations

from plasm.errors import InvalidModule

_MAGIC = b"\0asm"
_HEADER_BYTES = 8
_CORE_VERSION, _COMPONENT_LAYER = 1, 1
_SAMPLE_BYTES = 4096
_OTHER_FORMATS = (
    (b"\x7fELF", "a native program or a precompiled artifact", "compile the source for wasm32-wasip1"),
    (b"MZ", "a Windows program", "compile the source for wasm32-wasip1"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"BC\xc0\xde", "LLVM bitcode", "link it into a module for wasm32-wasip1"),
    (b"!<arch>\n", "a static library", "link it into a module for wasm32-wasip1"),
)


def check_header(module: bytes) -> None:
    """Refuse bytes that are not a core WebAssembly module at first sight.

    Raises:
        InvalidModule: what they are instead.
    """
    if not module:
        raise InvalidModule("the module is empty", hint="check that the compiler wrote the file")
    if module[:4] == _MAGIC[: len(module)] and len(module) < _HEADER_BYTES:
        raise InvalidModule(f"the module ends after {len(module)} bytes", hint="copy or download it again")
    if not module.startswith(_MAGIC):
        raise _not_wasm(module)
    version, layer = int.from_bytes(module[4:6], "little"), int.from_bytes(module[6:8], "little")
    if layer == _COMPONENT_LAYER:
        raise InvalidModule(
            "this is a WebAssembly component, not a core module",
            hint="compile for wasm32-wasip1 (preview 1) in place of wasm32-wasip2",
        )
    if (version, layer) != (_CORE_VERSION, 0):
        raise InvalidModule(
            f"WebAssembly version {version} (layer {layer}) is not known", hint="compile for wasm32-wasip1"
        )


def _not_wasm(module: bytes) -> InvalidModule:
    for start, what, hint in _OTHER_FORMATS:
        if module.startswith(start):
            return InvalidModule(f"this is {what}, not a WebAssembly module", hint=hint)
    text = _as_text(module[:_SAMPLE_BYTES])
    if text is None:
        return InvalidModule(
            "this is not a WebAssembly module: it does not start with \\0asm", hint="compile for wasm32-wasip1"
        )
    if text.lstrip("\ufeff \t\r\n").startswith(("(module", "(component", ";;", "(;", "(func")):
        return InvalidModule(
            "this is WebAssembly text, not a binary module", hint="translate it first, with wat2wasm for instance"
        )
    return InvalidModule("this is text, not a WebAssembly module", hint="name the compiled .wasm file")


def _as_text(sample: bytes) -> str | None:
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3:
            return None
        text = sample[: error.start].decode()
    return text if all(char.isprintable() or char in "\t\r\n\ufeff" for char in text) else None
