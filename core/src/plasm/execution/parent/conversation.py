"""One job's way through a worker, with the limits that are kept from outside.

JOB ──▶ (PREPARING ──▶ ARTIFACT or MODULE) ──▶ running: STDIN in, output out ──▶ RESULT
             │                          │ deadline, processor time, files, output limit, sink, cancellation
             ▼ ELSEWHERE                ▼
    another worker's job          stopping: the runtime is interrupted, after GRACE_SECONDS killed
"""

from __future__ import annotations

import marshal
import select
import signal
import time
from typing import Any, Final

from plasm.artifacts.cache import MAX_ARTIFACT_BYTES, ArtifactCache, is_artifact_key
from plasm.errors import InvalidModule, WorkerFailed
from plasm.execution import frames
from plasm.execution.parent import replies
from plasm.execution.parent.output import Output
from plasm.execution.parent.process import Folders, Worker
from plasm.execution.parent.watch import UsageWatch
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.input import StdinSource
from plasm.jobs.job import Job
from plasm.jobs.report import Report
from plasm.jobs.sinks import OutputSink
from plasm.model import Outcome, OutcomeKind, Usage, sha256_hex

PREPARATION_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 0.05
_NO_INPUT: Final = sha256_hex(b"")
_ENDS_BY_SIGNAL: Final[dict[int, OutcomeKind]] = {
    signal.SIGXFSZ: OutcomeKind.FILE_LIMIT,
    signal.SIGXCPU: OutcomeKind.OUT_OF_CPU_TIME,
}


class Conversation:
    """Runs ``job`` on ``worker``; used once."""

    def __init__(
        self,
        worker: Worker,
        folders: Folders,
        cache: ArtifactCache,
        job: Job,
        sink: OutputSink,
        stdin: StdinSource | None,
        cancellation: Cancellation | None,
    ) -> None:
        self._worker = worker
        self._cache = cache
        self._job = job
        self._stdin = stdin
        self._cancellation = cancellation
        self._limits = job.manifest.limits
        self._output = Output(sink, self._limits.output)
        self._watch = UsageWatch(worker.meter, job)
        self._may_compile = worker.fresh
        self._artifact_key = ""
        self._artifact = bytearray()
        self._unsent = memoryview(b"")
        self._feeding = False
        self._stopped: OutcomeKind | None = None
        self._ended: tuple[Outcome, Usage] | None = None
        self._refused = False
        self._elsewhere = False
        worker.begin(folders)

    def run(self) -> Report | None:
        """Talk until the job has ended; the worker is idle again then, or killed.

        Returns ``None``, with nothing begun, where the module has to be compiled and this worker's word for the
        result would not do: a fresh one must take the job.

        Raises:
            PlasmError: the module or a limit was refused, the input cannot be read, the worker could not start.
        """
        started = time.time_ns() // 1000
        self._worker.meter.start()
        self._watch.start()
        self._wait_for(self._limits.wall_time / 1000 if self._worker.ready else PREPARATION_SECONDS)
        self._preparing = not self._worker.ready
        try:
            self._send(frames.JOB, marshal.dumps(_order(self._job, self._stdin is not None)))
            self._converse()
        except BaseException:
            if not self._refused:
                self._worker.kill()
            raise
        if self._ended is None:
            return None
        outcome, usage = self._ended
        return Report(
            outcome=outcome,
            usage=usage,
            stdin=self._stdin.digest() if self._stdin else _NO_INPUT,
            stdin_size=self._stdin.size if self._stdin else 0,
            stdout=self._output.digest("stdout"),
            stderr=self._output.digest("stderr"),
            truncated=tuple(sorted(self._output.truncated)),
            started_us=started,
            finished_us=max(started, time.time_ns() // 1000),
            runtime_name=self._worker.runtime.name if self._worker.runtime else self._job.manifest.runtime or "?",
            runtime_version=self._worker.runtime.version if self._worker.runtime else "?",
        )

    def _converse(self) -> None:
        poll = select.poll()
        poll.register(self._worker.sends_on, select.POLLIN)
        outputs = self._worker.outputs
        for descriptor in outputs:
            poll.register(descriptor, select.POLLIN)
        if self._cancellation is not None:
            poll.register(self._cancellation.descriptor, select.POLLIN)
        while self._ended is None and not (self._elsewhere and not self._unsent):
            waits = self._register_input(poll)
            ready = {descriptor for descriptor, _ in poll.poll(self._milliseconds_left())}
            if waits is not None:
                poll.unregister(waits)
            for descriptor in ready.intersection(outputs):
                self._stop_for(self._output.take(outputs[descriptor], self._worker.read_output(descriptor)))
            if self._worker.sends_on in ready:
                self._receive()
            if self._ended is None and waits in ready:
                self._feed()
            if self._cancellation is not None and self._cancellation.descriptor in ready:
                poll.unregister(self._cancellation.descriptor)
                self._cancellation = None
                self._stop_for(OutcomeKind.CANCELLED)
            if self._ended is None and not self._preparing:
                self._stop_for(self._watch.exceeded(self._output.size))
            if self._ended is None and time.monotonic() >= self._deadline:
                self._deadline_passed()

    def _register_input(self, poll: select.poll) -> int | None:
        """Watch the one descriptor that the next step of input waits for."""
        if self._unsent or (self._feeding and self._stdin is not None and self._stdin.descriptor is None):
            poll.register(self._worker.receives_on, select.POLLOUT)
            return self._worker.receives_on
        if self._feeding and self._stdin is not None and self._stdin.descriptor is not None:
            poll.register(self._stdin.descriptor, select.POLLIN)
            return self._stdin.descriptor
        return None

    def _feed(self) -> None:
        """Send what waits to be sent; when there is nothing, the next part of the input."""
        if self._unsent:
            self._unsent = self._worker.send(self._unsent)
        elif self._stdin is not None and (part := self._stdin.read()) is not None:
            self._feeding = bool(part)
            self._send(frames.STDIN if part else frames.STDIN_END, part)

    def _receive(self) -> None:
        try:
            for tag, payload in self._worker.receive():
                self._take(tag, payload)
        except (EOFError, frames.FrameError):
            self._worker_ended()

    def _take(self, tag: bytes, payload: bytes) -> None:
        if tag == frames.RESULT:
            self._result(payload)
        elif tag == frames.READY:
            self._worker.runtime = replies.description(payload)
        elif tag == frames.PREPARING:
            self._preparing = True
            self._wait_for(PREPARATION_SECONDS)
            self._prepare(payload)
        elif tag == frames.MODULE_WANTED:
            self._have_compiled()
        elif tag == frames.COMPILED:
            self._artifact += payload
            if len(self._artifact) > MAX_ARTIFACT_BYTES or not self._may_compile:
                raise frames.FrameError("an artifact larger than any that is kept, or not asked for")
        elif tag == frames.RUNNING:
            if self._artifact:
                self._cache.put(self._job.module.digest, self._artifact_key, bytes(self._artifact))
            self._worker.meter.restart()
            self._watch.start()
            self._preparing = False
            self._wait_for(self._limits.wall_time / 1000)
            self._feeding = self._stdin is not None
        elif tag == frames.FAILED:
            self._fail(payload)
        else:
            raise frames.FrameError(f"an unknown frame {tag!r}")

    def _prepare(self, key: bytes) -> None:
        """Give the worker the artifact that it names by ``key``, or the module to make it from."""
        self._artifact_key = key.decode("ascii", "replace")
        if not is_artifact_key(self._artifact_key):
            raise frames.FrameError("an artifact key that is none")
        artifact = self._cache.get(self._job.module.digest, self._artifact_key)
        if artifact is None:
            self._have_compiled()
        else:
            self._send(frames.ARTIFACT, artifact)

    def _have_compiled(self) -> None:
        if self._may_compile:
            self._send(frames.MODULE, self._job.module.data)
        else:
            self._elsewhere = True
            self._send(frames.ELSEWHERE)

    def _drain(self) -> None:
        """Take what the job had written before it ended."""
        for descriptor, stream in self._worker.outputs.items():
            while stream not in self._output.truncated and (data := self._worker.read_output(descriptor)):
                self._stop_for(self._output.take(stream, data))

    def _result(self, payload: bytes) -> None:
        end = replies.result(payload)
        usage = self._usage(end.wall_time_us, end.cpu_time_us, end.peak_memory, end.fuel)
        self._ended = end.outcome, usage
        self._drain()
        if end.outcome.kind is OutcomeKind.CANCELLED or self._output.truncated:
            self._ended = Outcome(self._stopped or OutcomeKind.CRASHED), usage
        self._finish_input()

    def _usage(
        self, wall_time_us: int = 0, cpu_time_us: int = 0, peak_memory: int | None = None, fuel: int | None = None
    ) -> Usage:
        meter = self._worker.meter
        wall_time, cpu_time = meter.believable(wall_time_us, cpu_time_us)
        return Usage(wall_time, cpu_time, meter.peak_growth() if peak_memory is None else peak_memory, fuel)

    def _finish_input(self) -> None:
        """Let the worker come to rest: it takes STDIN frames until it has seen the end of them."""
        if self._output.truncated or not self._worker.usable:
            self._worker.kill()
        elif self._feeding:
            self._feeding = False
            self._unsent = memoryview(bytes(self._unsent) + frames.encode(frames.STDIN_END))
            deadline, poll = time.monotonic() + 1, select.poll()
            poll.register(self._worker.receives_on, select.POLLOUT)
            while self._unsent and poll.poll(max(0, deadline - time.monotonic()) * 1000):
                self._unsent = self._worker.send(self._unsent)
            if self._unsent:
                self._worker.kill()

    def _fail(self, payload: bytes) -> None:
        error = replies.refusal(payload)
        if self._worker.ready:
            self._refused = True
            self._finish_input()
        raise error

    def _send(self, tag: bytes, payload: bytes = b"") -> None:
        self._unsent = self._worker.send(memoryview(bytes(self._unsent) + frames.encode(tag, payload)))

    def _stop_for(self, kind: OutcomeKind | None) -> None:
        if kind is None or self._stopped is not None:
            return
        if self._ended is None:
            self._wait_for(GRACE_SECONDS)
            self._worker.interrupt()
        self._stopped = kind

    def _deadline_passed(self) -> None:
        if self._stopped is not None:
            self._killed(self._stopped)
        elif self._preparing:
            what = "compiling the module" if self._worker.ready else "loading the runtime"
            raise WorkerFailed(f"{what} took longer than {PREPARATION_SECONDS:.0f} s")
        else:
            self._stop_for(OutcomeKind.TIMED_OUT)

    def _worker_ended(self) -> None:
        """The process is gone, or does not keep to the protocol: find out what that means for the job."""
        if self._stopped is not None:
            self._killed(self._stopped)
            return
        self._worker.kill()
        if not self._worker.ready:
            raise WorkerFailed("the worker process ended before it was ready", hint="run: plasm plugins --load")
        if self._preparing:
            raise InvalidModule(
                "the worker process ended while it compiled the module", hint="it may be made to exhaust compilers"
            )
        self._killed(_ENDS_BY_SIGNAL.get(self._worker.ended_by, OutcomeKind.CRASHED))

    def _killed(self, kind: OutcomeKind) -> None:
        usage = self._usage()
        self._worker.kill()
        self._drain()
        self._ended = Outcome(self._stopped or kind), usage

    def _wait_for(self, seconds: float) -> None:
        """Let the next step take so long; a job that is being stopped gets no more time, whatever its worker says."""
        if self._stopped is None:
            self._deadline = time.monotonic() + seconds

    def _milliseconds_left(self) -> float:
        moment = self._deadline if self._preparing else min(self._deadline, self._watch.next_look)
        return max(0.0, moment - time.monotonic()) * 1000


def _order(job: Job, stdin: bool) -> dict[str, Any]:
    """The job as the worker wants it, in the types that marshal knows."""
    manifest, limits, determinism = job.manifest, job.manifest.limits, job.manifest.determinism
    return {
        "module": job.module.digest,
        "args": manifest.invocation.args,
        "env": dict(manifest.invocation.env),
        "preopens": [(bound.host, bound.mount.guest, bound.mount.read_only) for bound in job.preopens],
        "limits": {
            "memory": limits.memory,
            "fuel": limits.fuel,
            "wall_time": limits.wall_time,
            "cpu_time": limits.cpu_time,
            "output": limits.output,
            "files": limits.files,
        },
        "determinism": determinism and (determinism.clock, determinism.seed),
        "stdin": stdin,
    }
