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
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parent.parent
HELLO = ROOT / "examples" / "hello" / "hello.wasm"
GREETING = "Hello, World"
BARE_LOOP = "a bare wasmtime loop"


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


@frozen
class Throughput:
    """The same for jobs a second."""

    name: str
    reference: str
    reference_rate: float
    rate: float
    aim: float

    def __str__(self) -> str:
        return (
            f"{self.name + ' on two workers':<44} {self.rate:9.1f} /s  {self.rate / self.reference_rate:5.2f}x of "
            f"{self.reference} ({self.reference_rate:.1f} /s)  aim {self.aim:.1f}x"
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
    from plasm.jobs.sinks import CollectingSink

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
    return [
        Measurement("warm job", BARE_LOOP, taken["bare"], taken["job"], aim=1.3),
        Measurement("  what of it is added", BARE_LOOP, taken["bare"], taken["job"] - taken["bare"]),
        Measurement("signing its receipt", BARE_LOOP, taken["bare"], taken["sign"]),
    ]


def two_workers() -> list[Throughput]:
    """Jobs a second of two workers on two cores, asked for by two threads."""
    import plasm
    from plasm.jobs.sinks import CollectingSink

    measured = []
    with tempfile.TemporaryDirectory(prefix="plasm-bench-") as folder, plasm.LocalClient(workers=2) as client:
        for name, path, jobs, aim in (
            ("hello", HELLO, 1000, 1.5),
            ("a job of some 20 ms", cpu_bound_module(Path(folder)), 50, 1.9),
        ):
            module = plasm.read_module(path)
            job = plasm.Job(plasm.Manifest(module.digest, plasm.Invocation([GREETING])), module)

            def ask(count: int, job: plasm.Job = job) -> None:
                for _ in range(count):
                    client.run(job, CollectingSink())

            def share(count: int = jobs, ask: Callable[[int], None] = ask) -> None:
                threads = [threading.Thread(target=ask, args=(count // 2,)) for _ in range(2)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

            bare = bare_job(path)
            taken = medians({"bare": lambda: [bare() for _ in range(jobs)], "workers": share}, rounds=7)  # noqa: B023
            measured.append(Throughput(name, BARE_LOOP, jobs / taken["bare"], jobs / taken["workers"], aim))
    return measured


def cpu_bound_module(folder: Path) -> Path:
    """A command that counts."""
    from wasmtime import wat2wasm

    path = folder / "count.wasm"
    path.write_bytes(
        wat2wasm(
            """(module (memory (export "memory") 1) (func (export "_start") (local $left i32)
                (local.set $left (i32.const 20000000))
                (loop (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"""
        )
    )
    return path


def bare_job(path: Path = HELLO) -> Callable[[], object]:
    """The same job with nothing but wasmtime: own store, captured and hashed output."""
    from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

    config = Config()
    config.epoch_interruption = True
    engine = Engine(config)
    linker = Linker(engine)
    linker.define_wasi()
    module = Module.from_file(engine, str(path))

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
        for measure in (lambda: whole_process(home), warm_job, two_workers):
            for measurement in measure():
                print(measurement, flush=True)


if __name__ == "__main__":
    main()
