"""The SDK: its one client, which keeps nothing on disk, and its functions as calls that return when they are done.

The SDK's functions are coroutines that wait for its own threads and for nothing else.  An event loop would add a
hand-over to each of a job's dozen of calls, and its one thread would have to keep from blocking on the job's pipes.
So a coroutine runs on the thread that calls it, and where it waits the thread does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from wasmer_sdk import Wasmer, WasmerError
from wasmer_sdk import _native as native

from plasm.errors import PluginError

_PROCESSORS = 2
_NOTHING = Path(__file__).with_name("nothing")

T = TypeVar("T")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """What ``coroutine`` returns, once it does."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a function of the SDK waited for something else than the SDK")


def make_client(cache_dir: Path) -> Wasmer:
    """A client.

    Raises:
        PluginError: it cannot be made here.
    """
    native.uniffi_set_event_loop(_CallersThread())  # type: ignore[arg-type]
    try:
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="wasmer-", dir=cache_dir)
    except OSError:
        return _client(_NOTHING)
    # The SDK makes folders for caches when it begins and would go on to keep compiled code in them: native code that
    # nobody vouches for.  In a folder that has been removed nothing can be kept.
    try:
        return _client(Path("/proc/self/fd") / str(os.open(folder, os.O_PATH | os.O_CLOEXEC)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _client(cache_root: Path) -> Wasmer:
    # The SDK keeps a hundred threads for each processor that its maker may use, and a job needs but one.
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _some_of(allowed))
    try:
        return Wasmer(cache_root=cache_root, output_bytes=0)
    except WasmerError as error:
        raise PluginError(f"wasmer-sdk does not start: {error}") from None
    finally:
        os.sched_setaffinity(0, allowed)


def _some_of(processors: set[int]) -> set[int]:
    """A few of ``processors``, others in each process: the threads that the client starts with stay on them."""
    ordered = sorted(processors)
    first = os.getpid() % len(ordered)
    return set((ordered * 2)[first : first + _PROCESSORS])


class _CallersThread:
    """What the SDK takes for an event loop."""

    def create_future(self) -> _Answer:
        return _Answer()

    def call_soon_threadsafe(self, function: Callable[..., None], *arguments: Any) -> None:
        function(*arguments)


class _Answer:
    """One thing to wait for."""

    def __init__(self) -> None:
        self._missing = Lock()
        self._missing.acquire()
        self._value: Any = None

    def cancelled(self) -> bool:
        return False

    def set_result(self, value: Any) -> None:
        self._value = value
        self._missing.release()

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        self._missing.acquire()
        return self._value
