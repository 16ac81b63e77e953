"""One job run in a worker: what moves the conversation, the limits that are kept from outside, and what comes of it."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from plasm.artifacts.cache import ArtifactCache
from plasm.errors import PlasmError
from plasm.execution import frames, order
from plasm.execution.parent.conversation import Conversation, Said, State
from plasm.execution.parent.metering import UsageWatch
from plasm.execution.parent.process import Folders, WorkerProcess
from plasm.execution.parent.replies import GuestEnd, RuntimeDescription
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.input import StdinSource
from plasm.jobs.job import Job, Report
from plasm.jobs.sinks import Output, OutputSink
from plasm.model import Outcome, OutcomeKind, Usage, sha256_hex

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream

_NO_INPUT: Final = sha256_hex(b"")
_LEAVE_SECONDS: Final = 1.0
"""How long a worker that has ended its job may take to read the end of the input."""


class JobRun:
    """Runs ``job`` on ``worker``; used once.

    The worker sends frames and its job writes output; the clock, the watch, the sink and the cancellation stop the
    job.  Each of them moves the conversation, and :meth:`_enter` does what its new state calls for.
    """

    def __init__(
        self,
        worker: WorkerProcess,
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
        self._wall_time_s = job.manifest.limits.wall_time / 1000
        self._conversation = Conversation(worker.runtime_name, ready=worker.ready, fresh=worker.fresh)
        self._output = Output(sink, job.manifest.limits.output)
        self._watch = UsageWatch(worker.meter, job)
        self._poll = select.poll()
        self._deadline = time.monotonic() + self._conversation.patience_s(self._wall_time_s)
        self._entered = self._conversation.state
        self._end: tuple[Outcome, Usage] | None = None
        worker.begin(folders)

    def run(self) -> Report | None:
        """Talk until the job has ended; the worker is idle again then, or killed.

        Returns ``None``, with nothing begun, where the module has to be compiled and this worker's word for the
        result would not do: a fresh one must take the job.

        Raises:
            PlasmError: the module or a limit was refused, the input cannot be read, the worker could not start.
        """
        started_us = time.time_ns() // 1000
        self._worker.meter.start()
        self._watch.start()
        try:
            self._worker.send(frames.JOB, order.encode(self._job, stdin=self._stdin is not None))
            self._converse()
        except BaseException:
            if self._conversation.state is not State.REFUSED:
                self._worker.kill()
            raise
        return None if self._end is None else self._report(*self._end, started_us)

    def _converse(self) -> None:
        on_ready: dict[int, Callable[[], None]] = {
            descriptor: partial(self._pass_on, descriptor, stream)
            for descriptor, stream in self._worker.outputs.items()
        }
        on_ready[self._worker.sends_on] = self._receive
        if self._cancellation is not None:
            on_ready[self._cancellation.descriptor] = self._cancel
        for descriptor in on_ready:
            self._poll.register(descriptor, select.POLLIN)
        while not self._conversation.over:
            feeds_on = self._register_input()
            ready = self._poll.poll(self._milliseconds_left())
            if feeds_on is not None:
                self._poll.unregister(feeds_on)
            for descriptor, _ in ready:
                on_ready.get(descriptor, self._feed)()
                if self._conversation.over:
                    break
            else:
                self._look_at_limits()

    def _receive(self) -> None:
        try:
            for tag, payload in self._worker.receive():
                if self._conversation.over:
                    raise frames.FrameError("a frame after the end of the job")
                self._heed(self._conversation.receive(tag, payload))
                self._enter()
        except frames.FrameError:
            if self._conversation.over:
                self._worker.kill()  # its word on this job stands, and it gets no other
            else:
                self._conversation.gone(self._worker.trace)
                self._enter()

    def _heed(self, said: Said) -> None:
        if isinstance(said, GuestEnd):
            self._take_result(said)
        elif isinstance(said, RuntimeDescription):
            self._worker.runtime = said
        elif isinstance(said, bytes):
            if said:
                self._cache.put(self._job.module.digest, self._conversation.artifact_key, said)
        elif isinstance(said, PlasmError):
            if self._conversation.state is State.REFUSED:
                self._finish_input()
            said.trace = self._worker.trace
            raise said
        elif self._conversation.state is State.PREPARING:
            self._answer(None if said is None else self._cache.get(self._job.module.digest, said))

    def _answer(self, artifact: bytes | None) -> None:
        tag = self._conversation.answer(artifact_kept=artifact is not None)
        self._worker.send(tag, artifact or (self._job.module.data if tag == frames.MODULE else b""))
        if tag == frames.ELSEWHERE:
            self._finish_input()

    def _enter(self) -> None:
        """Do what a state calls for, once it is another."""
        state = self._conversation.state
        if state is self._entered or state is State.ENDED:
            return
        self._entered = state
        self._deadline = time.monotonic() + self._conversation.patience_s(self._wall_time_s)
        if state is State.RUNNING:
            self._worker.meter.restart()
            self._watch.start()
        elif state is State.STOPPING:
            self._worker.interrupt()
        elif state is State.KILLED:
            usage = self._usage()
            self._worker.kill()
            self._drain()
            self._end = self._conversation.outcome_of_killed(self._worker.ended_by), usage

    def _take_result(self, said: GuestEnd) -> None:
        usage = self._usage(said.wall_time_us, said.cpu_time_us, said.peak_memory, said.fuel)
        self._drain()
        self._end = self._conversation.outcome(said.outcome, cut_off=bool(self._output.truncated)), usage
        self._finish_input()

    def _usage(
        self, wall_time_us: int = 0, cpu_time_us: int = 0, peak_memory: int | None = None, fuel: int | None = None
    ) -> Usage:
        meter = self._worker.meter
        wall_time, cpu_time = meter.believable(wall_time_us, cpu_time_us)
        return Usage(wall_time, cpu_time, meter.peak_growth() if peak_memory is None else peak_memory, fuel)

    def _stop(self, kind: OutcomeKind | None) -> None:
        if kind is not None:
            self._conversation.stop(kind)
            self._enter()

    def _cancel(self) -> None:
        assert self._cancellation is not None
        self._poll.unregister(self._cancellation.descriptor)
        self._stop(OutcomeKind.CANCELLED)

    def _look_at_limits(self) -> None:
        if self._conversation.guest_runs:
            self._stop(self._watch.exceeded(self._output.size))
        if time.monotonic() >= self._deadline:
            self._conversation.timeout()
            self._enter()

    def _milliseconds_left(self) -> float:
        moment = min(self._deadline, self._watch.next_look) if self._conversation.guest_runs else self._deadline
        return max(0.0, moment - time.monotonic()) * 1000

    def _pass_on(self, descriptor: int, stream: Stream) -> None:
        self._stop(self._output.take(stream, self._worker.read_output(descriptor)))

    def _drain(self) -> None:
        """Take what the job had written before it ended."""
        for descriptor, stream in self._worker.outputs.items():
            while stream not in self._output.truncated and (data := self._worker.read_output(descriptor)):
                self._stop(self._output.take(stream, data))

    @property
    def _feeds(self) -> bool:
        """Whether the worker waits for input."""
        return self._entered is State.RUNNING and self._stdin is not None and not self._stdin.exhausted

    def _register_input(self) -> int | None:
        """Watch the one descriptor that the next step of input waits for."""
        if self._worker.unsent:
            source = None
        elif self._stdin is not None and self._feeds:
            source = self._stdin.descriptor
        else:
            return None
        if source is None:
            self._poll.register(self._worker.receives_on, select.POLLOUT)
            return self._worker.receives_on
        self._poll.register(source, select.POLLIN)
        return source

    def _feed(self) -> None:
        """Send what waits to be sent; when there is nothing, the next part of the input."""
        if self._worker.unsent:
            self._worker.flush()
        elif self._stdin is not None and (part := self._stdin.read()) is not None:
            self._worker.send(frames.STDIN if part else frames.STDIN_END, part)

    def _finish_input(self) -> None:
        """Let the worker come to rest: it takes STDIN frames until it has seen the end of them."""
        if self._output.truncated or not self._worker.usable:
            self._worker.kill()
            return
        if self._feeds:
            self._worker.send(frames.STDIN_END)
        if self._worker.unsent and not self._worker.flush_within(_LEAVE_SECONDS):
            self._worker.kill()

    def _report(self, outcome: Outcome, usage: Usage, started_us: int) -> Report:
        runtime = self._worker.runtime
        return Report(
            outcome=outcome,
            usage=usage,
            stdin=self._stdin.digest() if self._stdin else _NO_INPUT,
            stdin_size=self._stdin.size if self._stdin else 0,
            stdout=self._output.digest("stdout"),
            stderr=self._output.digest("stderr"),
            truncated=tuple(sorted(self._output.truncated)),
            started_us=started_us,
            finished_us=max(started_us, time.time_ns() // 1000),
            runtime_name=runtime.name if runtime else self._job.manifest.runtime or "?",
            runtime_version=runtime.version if runtime else "?",
            trace=self._worker.trace if outcome.kind is OutcomeKind.CRASHED else "",
        )
