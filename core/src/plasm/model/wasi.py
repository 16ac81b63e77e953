"""What modules may import, which is WASI preview 1 alone, and the refusal of all else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plasm.errors import UnsupportedImport
from plasm.model.text import printable

WASI: Final = "wasi_snapshot_preview1"
"""The module name under which WASI preview 1 is imported."""

_MAX_SHOWN: Final = 5
_MAX_NAME_CHARS: Final = 200
_HINTS: Final = (
    (f"{WASI}.", "WASI preview 1 has no such function: rebuild it with a released toolchain"),
    ("wasi_unstable.", "it was built for WASI preview 0: rebuild it for wasm32-wasip1"),
    ("wasi:", "it was built for WASI preview 2: compile for wasm32-wasip1"),
    ("wasi.thread-spawn", "it was built for threads: compile for wasm32-wasip1 without them"),
    ("wasix", "it was built for WASIX, which no job is given: compile for wasm32-wasip1"),
    ("wbg", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("__wbindgen", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("gojs.", "it was built by Go for a browser: build it with GOOS=wasip1"),
    ("env.", "a function was declared and never linked in, or it was built for a browser"),
    ("", "jobs get WASI preview 1 and nothing else: compile for wasm32-wasip1"),
)


def unsupported_imports(missing: Sequence[tuple[str, str]]) -> UnsupportedImport:
    """The error for a module that imports what no job is given; its hint says what the module was built for.

    Args:
        missing: those imports, at least one, each by the name of its module and its own.
    """
    names = [f"{module}.{name}" for module, name in missing]
    shown = ", ".join(printable(name, _MAX_NAME_CHARS) for name in names[:_MAX_SHOWN])
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    hint = next(hint for start, hint in _HINTS if names[0].startswith(start))
    return UnsupportedImport(f"the module imports {shown}{more}, which no job is given", hint=hint)
