"""One job in this process, from the order to the result."""

from __future__ import annotations

import json
import time

from plasm.contracts.runtime import Call, Execution, Runtime, Terms
from plasm.errors import FeatureNotProvided, LimitNotEnforceable, PlasmError
from plasm.execution import frames
from plasm.execution.frames import STDERR_FD, STDOUT_FD
from plasm.execution.order import Order
from plasm.execution.worker.modules import Elsewhere, Modules
from plasm.execution.worker.pipes import FramePipes
from plasm.execution.worker.rlimits import ProcessLimits
from plasm.execution.worker.stdin import StdinFeed, StdinFile
from plasm.model import Feature, LimitKind


def run(
    order: Order,
    runtime: Runtime,
    limits: ProcessLimits,
    modules: Modules,
    stdin_file: StdinFile,
    pipes: FramePipes,
) -> None:
    """Run the job of ``order`` and tell the parent how it ended; returns when the next order may come.

    An exception that is no :class:`~plasm.errors.PlasmError` is the end of this process.  The job's input is not
    waited for then.
    """
    stdin: StdinFeed | StdinFile | None = None
    try:
        terms = Terms(order.limits, order.determinism)
        _check_feasible(runtime, order)
        compiled = modules.recall(order.module, terms)
        if compiled is None:
            compiled = modules.prepare(order.module, terms)
            pipes.send(frames.RUNNING)
        elif order.stdin:
            pipes.send(frames.RUNNING)
        if order.stdin and terms.determinism is None:
            stdin = StdinFeed(pipes)
        elif order.stdin:
            stdin = stdin_file
            stdin_file.fill()
        call = Call(order.invocation, STDOUT_FD, STDERR_FD, stdin.descriptor if stdin else None, order.preopens)
        limits.before_job(terms.limits, writes_files=order.writes_files)
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        execution = runtime.execute(compiled, call, terms)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        pipes.send(frames.RESULT, _result(execution, wall // 1000, cpu // 1000))
    except Elsewhere:
        pass
    except PlasmError as error:
        pipes.send_error(error)
    if stdin:
        stdin.close()


def _check_feasible(runtime: Runtime, order: Order) -> None:
    advice = "choose another with --runtime"
    if order.limits.fuel is not None and LimitKind.FUEL not in runtime.enforces:
        raise LimitNotEnforceable(f"the runtime {runtime.name!r} cannot enforce the limit fuel", hint=advice)
    for feature in sorted(_needs(order) - runtime.provides):
        raise FeatureNotProvided(f"the runtime {runtime.name!r} does not provide {feature}", hint=advice)


def _needs(order: Order) -> set[Feature]:
    needs = set()
    if order.determinism is not None:
        needs.add(Feature.DETERMINISM)
    if order.preopens:
        needs.add(Feature.FOLDERS)
    if order.writes_files:
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
