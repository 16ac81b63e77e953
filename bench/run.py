"""Measures Plasm against named references in the same run and prints ratios.

Times are noise from machine to machine and from hour to hour; only the ratios mean something.  Each line takes its
reference and its subject in turn, many times over, and compares medians.
"""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parent.parent
HELLO = ROOT / "examples" / "hello" / "hello.wasm"
GREETING = "Hello, World"


@frozen
class Measurement:
    """One line of the table: medians in seconds, and the ratio that is aimed for."""

    name: str
    reference: str
    reference_time: float
    time: float
    aim: float | None = None

    def __str__(self) -> str:
        ratio = self.time / self.reference_time
        aim = f"aim {self.aim:.1f}x" if self.aim is not None else ""
        return (
            f"{self.name:<44} {self.time * 1e3:9.3f} ms  {ratio:5.2f}x of "
            f"{self.reference} ({self.reference_time * 1e3:.3f} ms)  {aim}"
        )


def medians(subjects: Mapping[str, Callable[[], object]], rounds: int, repeats: int = 1) -> dict[str, float]:
    """The median time of one call of each subject, all of them taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for round_ in range(rounds + 1):
        for name, subject in subjects.items():
            start = time.perf_counter()
            for _ in range(repeats):
                subject()
            if round_:  # the first one warms up
                times[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(taken) for name, taken in times.items()}


def whole_process(home: str) -> list[Measurement]:
    """A whole command, from nothing to its exit, with warm caches."""
    script = [sys.executable, str(Path(__file__).with_name("reference.py")), str(HELLO), GREETING]
    plasm = [str(Path(sys.executable).with_name("plasm")), "run", str(HELLO), GREETING]
    environment = {"PLASM_HOME": home, "PATH": "/usr/bin:/bin"}

    def command(arguments: list[str]) -> Callable[[], object]:
        def run() -> None:
            done = subprocess.run(arguments, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
            assert done.stdout == b"dlroW ,olleH\n", done

        return run

    taken = medians(
        {
            "python": command([sys.executable, "-c", "print('dlroW ,olleH')"]),
            "script": command(script),
            "plasm run": command(plasm),
            "plasm run --receipt": command([*plasm, "--receipt", f"{home}/receipt.json"]),
        },
        rounds=31,
    )
    reference = "a bare wasmtime script"
    return [
        Measurement("python that prints", reference, taken["script"], taken["python"]),
        Measurement("plasm run", reference, taken["script"], taken["plasm run"], aim=1.5),
        Measurement("plasm run --receipt", reference, taken["script"], taken["plasm run --receipt"]),
    ]


def warm_job() -> list[Measurement]:
    """A job through the library, its worker and its module warm."""
    import plasm
    from plasm.client.oneshot import CollectingSink

    module = plasm.read_module(HELLO)
    job = plasm.Job(plasm.Manifest(module.digest, plasm.Invocation([GREETING])), module)
    with plasm.LocalClient() as client:

        def run() -> None:
            sink = CollectingSink()
            client.run(job, sink)
            assert sink.content("stdout") == b"dlroW ,olleH\n"

        completed = client.run(job, CollectingSink())
        taken = medians(
            {"bare": bare_job(), "job": run, "sign": lambda: client.sign(completed)}, rounds=21, repeats=200
        )
    reference = "a bare wasmtime loop"
    return [
        Measurement("warm job", reference, taken["bare"], taken["job"], aim=1.3),
        Measurement("signing its receipt", reference, taken["bare"], taken["sign"]),
    ]


def bare_job() -> Callable[[], object]:
    """The same job with nothing but wasmtime: own store, captured and hashed output."""
    from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

    config = Config()
    config.epoch_interruption = True
    engine = Engine(config)
    linker = Linker(engine)
    linker.define_wasi()
    module = Module.from_file(engine, str(HELLO))

    def run() -> None:
        output: list[bytes] = []
        store, wasi = Store(engine), WasiConfig()
        store.set_limits(memory_size=2**30)
        store.set_epoch_deadline(1)
        wasi.argv = ["job.wasm", GREETING]
        wasi.stdout_custom = output.append
        store.set_wasi(wasi)
        try:
            linker.instantiate(store, module).exports(store)["_start"](store)
        except ExitTrap as trap:
            if trap.code:
                raise
        hashlib.sha256(b"".join(output)).hexdigest()

    return run


def main() -> None:
    """Print every measurement."""
    with tempfile.TemporaryDirectory(prefix="plasm-bench-") as home:
        import os

        os.environ["PLASM_HOME"] = home
        for measure in (lambda: whole_process(home), warm_job):
            for measurement in measure():
                print(measurement, flush=True)


if __name__ == "__main__":
    main()
