"""Keeping what plugins print away from stdout, which belongs to jobs and to documents."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_here = threading.local()
_lock = threading.Lock()
_diverting = 0


class _DivertedStdout:
    """``sys.stdout`` while hooks run: stderr for threads that are inside one, and what it was for all others."""

    def __init__(self, usual: TextIO) -> None:
        self.usual = usual

    def __getattr__(self, name: str) -> Any:
        return getattr((sys.stderr or io.StringIO()) if getattr(_here, "depth", 0) else self.usual, name)


@contextmanager
def printing_to_stderr() -> Iterator[None]:
    """What this thread prints in the block goes to stderr.

    ``sys.stdout`` belongs to the whole process, and so does descriptor 1, to which a job's output may be going in
    another thread at this moment.  So neither is redirected: a stand-in for ``sys.stdout`` asks which thread prints.
    It does not see bytes written to descriptor 1 itself, nor the programs that a plugin starts.
    """
    global _diverting  # noqa: PLW0603 - sys.stdout is global, too
    with _lock:
        if sys.stdout is not None and not isinstance(sys.stdout, _DivertedStdout):
            sys.stdout = _DivertedStdout(sys.stdout)
        _diverting += 1
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1
        with _lock:
            _diverting -= 1
            if not _diverting and isinstance(sys.stdout, _DivertedStdout):
                sys.stdout = sys.stdout.usual
