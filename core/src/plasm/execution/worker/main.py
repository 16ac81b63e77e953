"""The worker process: one warm runtime, one job at a time, everything else left behind."""

from __future__ import annotations

import gc
import json
import marshal
import os
import select
import signal
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from plasm.config import Config
from plasm.contracts.runtime import Call, CompiledModule, Execution, Runtime, Terms
from plasm.errors import FeatureNotProvided, InvalidInput, InvalidModule, LimitNotEnforceable, PlasmError
from plasm.execution import frames
from plasm.execution.frames import READ_FD, STDERR_FD, STDOUT_FD, WRITE_FD
from plasm.execution.worker.rlimits import ProcessLimits
from plasm.model import Determinism, Feature, Invocation, LimitKind, Limits, Mount, Preopen, Sha256
from plasm.plugins import PluginHost

INTERRUPT: Final = signal.SIGUSR1
MAX_MODULES_IN_MEMORY: Final = 32
MAX_STDIN_FILE_BYTES: Final = 2**29


def main() -> NoReturn:
    """Serve jobs until the executor goes away; never returns."""
    os.closerange(STDERR_FD + 1, 2**20)
    channel = Channel()
    try:
        _serve(channel)
    except (EOFError, BrokenPipeError):
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def _serve(channel: Channel) -> NoReturn:
    tag, payload = channel.receive()
    assert tag == frames.START
    name, environment = marshal.loads(payload)
    config = Config.from_environment(environment)
    try:
        runtime = PluginHost(config).runtime(name)
    except PlasmError as error:
        channel.send_error(error)
        raise
    # What was made so far stays for good: it need not be looked at again.
    gc.freeze()
    gc.enable()
    description = {
        "name": runtime.name,
        "version": runtime.version,
        "enforces": sorted(runtime.enforces),
        "provides": sorted(runtime.provides),
    }
    channel.send(frames.READY, json.dumps(description).encode())
    tag, payload = channel.receive()
    job = marshal.loads(payload)
    limits = ProcessLimits()
    _confine(job)
    _start_watch(runtime)
    modules = Modules(runtime, limits, channel)
    while True:
        assert tag == frames.JOB
        _run(job, runtime, limits, modules, channel)
        tag, payload = channel.receive()
        job = marshal.loads(payload)


def _confine(job: Mapping[str, Any]) -> None:
    """Give up what the first job, and those with the same folders that may follow, do not need."""
    from plasm.execution.worker.confinement import confine, interpreter_folders

    confine(_preopens(job), interpreter_folders(sys.path))


class Channel:
    """The worker's ends of the two pipes for frames.  The executor is trusted, so frames are not bounded here."""

    def receive(self) -> tuple[bytes, bytes]:
        """The next frame; waits for it."""
        tag, length = frames.header(self._read(frames.HEADER_BYTES))
        return tag, self._read(length)

    def send(self, tag: bytes, payload: bytes = b"") -> None:
        """Send one frame; waits while the executor does not read."""
        view = memoryview(frames.encode(tag, payload))
        while view:
            view = view[os.write(WRITE_FD, view) :]

    def send_error(self, error: PlasmError) -> None:
        """Report why a job, or the whole worker, cannot go on."""
        text = {"code": error.code, "message": error.message[:4096], "hint": error.hint[:4096]}
        self.send(frames.FAILED, json.dumps(text).encode())

    def _read(self, length: int) -> bytes:
        data = os.read(READ_FD, length) if length else b""
        if len(data) == length:
            return data
        chunks = bytearray(data)
        while len(chunks) < length:
            data = os.read(READ_FD, min(length - len(chunks), 2**20))
            if not data:
                raise EOFError
            chunks += data
        return bytes(chunks)


class Modules:
    """Compiled modules: in memory, else an artifact that the executor kept, else compiled here."""

    def __init__(self, runtime: Runtime, limits: ProcessLimits, channel: Channel) -> None:
        self._runtime = runtime
        self._limits = limits
        self._channel = channel
        self._compiled: OrderedDict[tuple[Sha256, str], CompiledModule] = OrderedDict()

    def recall(self, digest: Sha256, terms: Terms) -> CompiledModule | None:
        """The module called ``digest`` as compiled for ``terms``, if it is in memory."""
        return self._compiled.get((digest, self._runtime.artifact_key(terms)))

    def prepare(self, digest: Sha256, terms: Terms) -> CompiledModule:
        """The same from the executor, in memory from now on.

        Raises:
            Elsewhere: another worker is to compile it.
        """
        key = self._runtime.artifact_key(terms)
        self._channel.send(frames.PREPARING, key.encode())
        self._limits.before_compiling()
        compiled = self._received(terms)
        self._compiled[digest, key] = compiled
        if len(self._compiled) > MAX_MODULES_IN_MEMORY:
            self._compiled.popitem(last=False)
        return compiled

    def _received(self, terms: Terms) -> CompiledModule:
        tag, data = self._channel.receive()
        if tag == frames.ARTIFACT:
            try:
                return self._runtime.load(data, terms)
            except InvalidModule:
                self._channel.send(frames.MODULE_WANTED)
                tag, data = self._channel.receive()
        if tag == frames.ELSEWHERE:
            raise Elsewhere
        assert tag == frames.MODULE
        compiled = self._runtime.compile(data, terms)
        artifact = self._runtime.dump(compiled)
        for start in range(0, len(artifact), frames.MAX_PAYLOAD_BYTES):
            self._channel.send(frames.COMPILED, artifact[start : start + frames.MAX_PAYLOAD_BYTES])
        return compiled


class Elsewhere(Exception):
    """The executor has taken the job back."""


class StdinFeed:
    """Carries STDIN frames into a pipe that the job reads, until STDIN_END; what the job leaves is dropped."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.descriptor, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading for the job; returns when the executor has said STDIN_END."""
        os.close(self.descriptor)
        self._thread.join()

    def _carry(self) -> None:
        open_end: int | None = self._write_end
        while True:
            tag, data = self._channel.receive()
            try:
                view = memoryview(data)
                while open_end is not None and view:
                    view = view[os.write(open_end, view) :]
            except BrokenPipeError:
                os.close(self._write_end)
                open_end = None
            if tag == frames.STDIN_END:
                if open_end is not None:
                    os.close(open_end)
                return


class StdinFile:
    """All of a deterministic job's input in a file that exists in memory only: how much of a pipe one read gets would
    depend on the moment.

    Raises:
        InvalidInput: it is larger than :data:`MAX_STDIN_FILE_BYTES`.
    """

    def __init__(self, channel: Channel) -> None:
        self.descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
        size = 0
        while True:
            tag, data = channel.receive()
            size += len(data)
            if tag == frames.STDIN_END:
                break
            if size <= MAX_STDIN_FILE_BYTES:
                os.write(self.descriptor, data)
        if size > MAX_STDIN_FILE_BYTES:
            self.close()
            raise InvalidInput(f"the input of a deterministic job may have {MAX_STDIN_FILE_BYTES} bytes at most")
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def _run(job: Mapping[str, Any], runtime: Runtime, limits: ProcessLimits, modules: Modules, channel: Channel) -> None:
    stdin: StdinFeed | StdinFile | None = None
    try:
        terms = Terms(Limits(**job["limits"]), job["determinism"] and Determinism(*job["determinism"]))
        preopens = _preopens(job)
        _check_feasible(runtime, terms, preopens)
        compiled = modules.recall(job["module"], terms)
        if compiled is None:
            compiled = modules.prepare(job["module"], terms)
            channel.send(frames.RUNNING)
        elif job["stdin"]:
            channel.send(frames.RUNNING)
        if job["stdin"]:
            stdin = StdinFeed(channel) if terms.determinism is None else StdinFile(channel)
        invocation = Invocation(job["args"], job["env"], [preopen.mount for preopen in preopens])
        call = Call(invocation, STDOUT_FD, STDERR_FD, stdin.descriptor if stdin else None, preopens)
        limits.before_job(terms.limits, writes_files=not all(preopen.mount.read_only for preopen in preopens))
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        execution = runtime.execute(compiled, call, terms)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        channel.send(frames.RESULT, _result(execution, wall // 1000, cpu // 1000))
    except Elsewhere:
        pass
    except PlasmError as error:
        channel.send_error(error)
    finally:
        if stdin:
            stdin.close()


def _preopens(job: Mapping[str, Any]) -> tuple[Preopen, ...]:
    return tuple(Preopen(host, Mount(guest, read_only)) for host, guest, read_only in job["preopens"])


def _check_feasible(runtime: Runtime, terms: Terms, preopens: tuple[Preopen, ...]) -> None:
    advice = "choose another with --runtime"
    if terms.limits.fuel is not None and LimitKind.FUEL not in runtime.enforces:
        raise LimitNotEnforceable(f"the runtime {runtime.name!r} cannot enforce the limit fuel", hint=advice)
    for feature in sorted(_needs(terms, preopens) - runtime.provides):
        raise FeatureNotProvided(f"the runtime {runtime.name!r} does not provide {feature}", hint=advice)


def _needs(terms: Terms, preopens: tuple[Preopen, ...]) -> set[Feature]:
    needs = set()
    if terms.determinism is not None:
        needs.add(Feature.DETERMINISM)
    if preopens:
        needs.add(Feature.FOLDERS)
    if not all(preopen.mount.read_only for preopen in preopens):
        needs.add(Feature.WRITABLE_FOLDERS)
    return needs


def _result(execution: Execution, wall_time_us: int, cpu_time_us: int) -> bytes:
    outcome = execution.outcome
    return json.dumps(
        {
            "kind": outcome.kind,
            "exit_code": outcome.exit_code,
            "trap": outcome.trap,
            "wall_time_us": wall_time_us,
            "cpu_time_us": cpu_time_us,
            "peak_memory": execution.peak_memory,
            "fuel": execution.fuel,
        }
    ).encode()


def _start_watch(runtime: Runtime) -> None:
    """Interrupt the runtime on :data:`INTERRUPT`, and end this process when the executor's does.

    While a module runs no Python signal handler can, but the interpreter still writes the signal's number to the
    wake-up descriptor, and a thread asleep on that costs a running job nothing.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(INTERRUPT, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def watch() -> None:
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(READ_FD, 0)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == READ_FD:
                    os._exit(1)
                os.read(woken, 64)
                runtime.interrupt()

    threading.Thread(target=watch, daemon=True).start()
