"""One job after another: nothing is left of the last one, nothing grows, and compiled modules can be kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from plasm.artifacts.cache import ArtifactCache
from plasm.model import LimitKind, Outcome, OutcomeKind
from plasm.testing._workbench import Workbench, guest, limits, needs

_RUBBISH: Final = b"not what any runtime has compiled"


class Lifetime(Workbench):
    """A worker's life, and artifacts that outlive it."""

    def test_nothing_of_a_job_is_left_for_the_next_one(self) -> None:
        """Nothing of a job is left for the next one: each finds its module's memory as new."""
        for _ in range(3):
            finished = self.run("count")
            assert finished.outcome == Outcome.exited(1), finished
        assert self.run("env", env={"ONLY": "once"}).texts == ["ONLY=once"]
        assert self.run("env").texts == []

    def test_a_job_after_a_trap_runs_in_the_same_worker(self) -> None:
        """A job after one that trapped runs, and in the same worker."""
        with self.new_executor() as executor:
            self.run("args", executor=executor)
            worker = executor.worker_pid
            for what in ("unreachable", "stack", "memory"):
                trapped = self.run("trap", what, executor=executor)
                assert trapped.kind is OutcomeKind.TRAPPED, f"{what}: {trapped}"
                after = self.run("exit", "6", executor=executor)
                assert after.outcome == Outcome.exited(6), f"after {what}: {after}"
            assert executor.worker_pid == worker, "a trap cost the worker"

    def test_a_hundred_jobs_leave_a_worker_as_it_was(self) -> None:
        """A hundred jobs in one worker let neither its memory nor its descriptors grow, after some that may."""
        with self.new_executor() as executor:

            def some_jobs(count: int) -> tuple[int | None, int, int]:
                for number in range(count):
                    jobs = (("cat",), ("grow", "16"), ("exit", str(number)), ("trap", "stack"))
                    ends = [self.run(*job, stdin=b"some input", executor=executor).kind for job in jobs]
                    assert ends == [OutcomeKind.EXITED] * 3 + [OutcomeKind.TRAPPED], ends
                return executor.worker_pid, *_footprint(executor.worker_pid)

            worker, memory, descriptors = some_jobs(75)
            same_worker, memory_later, descriptors_later = some_jobs(25)
        assert same_worker == worker, "the worker was replaced"
        assert memory_later <= memory * 1.1, f"resident memory grew from {memory} to {memory_later} pages"
        # Threads that read the last jobs' input may hold on to it for a moment.
        assert descriptors_later <= descriptors + 10, f"from {descriptors} to {descriptors_later} descriptors"

    def test_a_cached_artifact_gives_the_same_result(self) -> None:
        """A worker that loads the artifact of another gives the same result, without compiling anew."""
        cache = ArtifactCache(self.folder / "cache")
        first = self._fresh(cache)
        kept = _entries(cache)
        if not kept:
            self.declare("it keeps no compiled modules")
            return
        second = self._fresh(cache)
        assert second == first, f"{second}, at first {first}"
        assert _entries(cache) == kept, "the artifact was not used"

    def test_a_damaged_artifact_is_made_anew(self) -> None:
        """An artifact that was damaged in the cache is not used but made anew."""
        cache = ArtifactCache(self.folder / "cache")
        first = self._fresh(cache)
        for path in cache.folder.glob("*"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        assert self._fresh(cache) == first
        for path in cache.folder.glob("*"):
            digest, _, key = path.name.partition(".")
            assert digest == guest("probe").digest
            assert cache.get(guest("probe").digest, key) is not None, "the damaged artifact is still there"

    def test_an_artifact_of_no_use_is_made_anew(self) -> None:
        """An artifact that the runtime cannot use is not used but made anew."""
        cache = ArtifactCache(self.folder / "cache")
        first = self._fresh(cache)
        keys = [path.name.partition(".")[2] for path in cache.folder.glob("*")]
        for key in keys:
            cache.put(guest("probe").digest, key, _RUBBISH)
        assert self._fresh(cache) == first
        assert all(cache.get(guest("probe").digest, key) != _RUBBISH for key in keys), "the rubbish is still there"

    @needs(LimitKind.FUEL)
    def test_jobs_on_other_terms_do_not_share_code(self) -> None:
        """A module compiled for jobs with a fuel limit does not serve those without, nor the other way round."""
        for _ in range(2):
            counted = self.run(module=guest("loop"), limits=limits(fuel=1_000_000))
            assert counted.kind is OutcomeKind.OUT_OF_FUEL, counted
            uncounted = self.run("grow", "1")
            assert uncounted.outcome == Outcome.exited(0), uncounted
            timed = self.run(module=guest("loop"), limits=limits(wall_time=50))
            assert timed.kind is OutcomeKind.TIMED_OUT, timed

    def _fresh(self, cache: ArtifactCache) -> tuple[Outcome, bytes]:
        """A job's result in a new worker."""
        with self.new_executor(cache) as executor:
            finished = self.run("args", "x", executor=executor)
        return finished.outcome, finished.stdout


def _entries(cache: ArtifactCache) -> dict[str, int]:
    """The entries of ``cache``; one that is written anew is another file."""
    return {path.name: path.stat().st_ino for path in cache.folder.glob("*")}


def _footprint(process: int | None) -> tuple[int, int]:
    """Resident pages and open descriptors of a process."""
    folder = Path("/proc") / str(process)
    return int((folder / "statm").read_text().split()[1]), len(os.listdir(folder / "fd"))
