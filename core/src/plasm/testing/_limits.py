"""Every limit ends the job that reaches it, whatever the job is doing, and the outcome says which."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plasm.model import Feature, LimitKind, Mount, Outcome, OutcomeKind, Preopen
from plasm.testing._workbench import Finished, Silence, Workbench, guest, limits, needs

_PAGE: Final = 65536
_MIB: Final = 2**20
_MEMORY: Final = 16 * _MIB
_LARGE: Final = 512 * _MIB
_FUEL: Final = 10_000_000
_OUTPUT: Final = 100_000
_DEADLINE_MS: Final = 50
_NAP_MS: Final = 300
_FILES: Final = 4 * _MIB


class LimitsKept(Workbench):
    """Memory, fuel, time, output and files."""

    def test_memory_does_not_grow_beyond_its_limit(self) -> None:
        """Memory does not grow beyond its limit: the job is told so, or it ends out of memory."""
        finished = self.run("hoard", str(_LARGE // _PAGE), limits=limits(memory=_MEMORY))
        if self._ended_out_of_memory(finished):
            return
        assert finished.outcome == Outcome.exited(0), finished
        assert _MEMORY // 2 < finished.number * _PAGE < _LARGE, finished
        if LimitKind.MEMORY in self.description.enforces:
            assert finished.number * _PAGE <= _MEMORY, finished
        else:
            self.declare("it leaves the memory limit to the executor, which bounds the process, not the job")

    def test_memory_can_be_used_up_to_its_limit(self) -> None:
        """Memory can be used up to its limit."""
        pages = _MEMORY // _PAGE - 16  # less what the guest has from the start
        finished = self.run("grow", str(pages), limits=limits(memory=_MEMORY))
        assert finished.outcome == Outcome.exited(0), finished
        assert finished.number == pages, finished

    def test_an_allocation_beyond_the_memory_limit_fails(self) -> None:
        """An allocation beyond the memory limit fails, and the job goes on; one within it succeeds."""
        small = self.run("allocate", str(_MEMORY // 4), limits=limits(memory=_MEMORY))
        assert small.outcome == Outcome.exited(0), small
        large = self.run("allocate", str(3 * 2**30), limits=limits(memory=_MEMORY))
        if not self._ended_out_of_memory(large):
            assert large.outcome.exit_code not in {0, None}, large

    def test_a_module_that_needs_more_memory_than_its_limit_is_out_of_memory(self) -> None:
        """A module whose memory is larger than its limit from the start ends out of memory."""
        finished = self.run(module=guest("huge-memory"), limits=limits(memory=_MEMORY))
        assert finished.kind is OutcomeKind.OUT_OF_MEMORY, finished

    def test_the_largest_use_of_memory_is_told(self) -> None:
        """The largest use of memory is told: about what the job used."""
        finished = self.run("grow", str(32 * _MIB // _PAGE))
        peak = finished.report.usage.peak_memory
        assert peak is not None, "no peak_memory in the usage"
        assert 16 * _MIB <= peak <= 96 * _MIB, f"peak_memory is {peak}, the job used a little more than {32 * _MIB}"

    @needs(LimitKind.FUEL)
    def test_a_loop_ends_out_of_fuel(self) -> None:
        """A loop ends when its fuel is used up."""
        finished = self.run(module=guest("loop"), limits=limits(fuel=_FUEL))
        assert finished.kind is OutcomeKind.OUT_OF_FUEL, finished

    @needs(LimitKind.FUEL)
    def test_fuel_is_counted_the_same_each_time(self) -> None:
        """The same job uses the same fuel each time, less than its limit, and one without a limit tells none."""
        runs = [self.run("args", "x", limits=limits(fuel=_FUEL)) for _ in range(2)]
        used = [finished.report.usage.fuel for finished in runs]
        assert used[0] is not None, "no fuel in the usage"
        assert 0 < used[0] < _FUEL, used
        assert used[0] == used[1], used
        assert self.run("args", "x").report.usage.fuel is None

    def test_a_loop_ends_at_its_deadline(self) -> None:
        """A loop ends at its deadline."""
        self._times_out(self.run(module=guest("loop"), limits=limits(wall_time=_DEADLINE_MS)))

    def test_a_sleeper_ends_at_its_deadline(self) -> None:
        """A job that sleeps ends at its deadline."""
        self._times_out(self.run("sleep", "3600000", limits=limits(wall_time=_DEADLINE_MS)))

    def test_a_loop_in_a_start_section_ends_at_its_deadline(self) -> None:
        """A loop in a start section ends at its deadline."""
        self._times_out(self.run(module=guest("start-loop"), limits=limits(wall_time=_DEADLINE_MS)))

    def test_a_reader_of_a_silent_stdin_ends_at_its_deadline(self) -> None:
        """A job that waits for its standard input ends at its deadline."""
        with Silence() as silence:
            self._times_out(self.run("cat", stdin=silence.descriptor, limits=limits(wall_time=_DEADLINE_MS)))

    def test_a_loop_ends_out_of_processor_time(self) -> None:
        """A loop ends when its processor time is used up."""
        finished = self.run(module=guest("loop"), limits=limits(cpu_time=100))
        assert finished.kind is OutcomeKind.OUT_OF_CPU_TIME, finished

    def test_a_sleep_uses_no_processor_time(self) -> None:
        """A sleep uses no processor time."""
        finished = self.run("sleep", str(_NAP_MS), limits=limits(cpu_time=200))
        assert finished.outcome == Outcome.exited(0), finished

    def test_a_flood_ends_at_the_output_limit(self) -> None:
        """A flood ends at the output limit; exactly as many bytes arrive, of both streams together."""
        finished = self.run("flood", limits=limits(output=_OUTPUT))
        assert finished.kind is OutcomeKind.OUTPUT_LIMIT, finished
        assert len(finished.stdout) + len(finished.stderr) == _OUTPUT, finished

    def test_output_may_fill_its_limit(self) -> None:
        """Output may be as long as its limit."""
        finished = self.run("blob", str(_OUTPUT), limits=limits(output=_OUTPUT))
        assert finished.outcome == Outcome.exited(0), finished
        assert len(finished.stdout) == _OUTPUT, finished

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_a_file_does_not_grow_beyond_the_file_limit(self) -> None:
        """A job that writes more into one file than its limit ends at the limit."""
        self._ends_at_file_limit(each=64 * _MIB)

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_files_do_not_grow_beyond_the_file_limit_altogether(self) -> None:
        """A job that writes more into many files than its limit ends at the limit."""
        self._ends_at_file_limit(each=_MIB)

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_files_may_fill_their_limit(self) -> None:
        """Files may be as long as their limit."""
        host = self._empty_folder()
        finished = self.run("create", "/data/new", folders=[host], limits=limits(files=len("created")))
        assert finished.outcome == Outcome.exited(0), finished
        assert (Path(host.host) / "new").read_text() == "created"

    def test_usage_has_wall_time_and_processor_time(self) -> None:
        """The usage has wall time, and processor time that is less for a job that slept."""
        usage = self.run("sleep", str(_NAP_MS)).report.usage
        assert usage.wall_time_us >= _NAP_MS * 1000, usage
        assert usage.cpu_time_us is not None, usage
        assert usage.cpu_time_us < usage.wall_time_us, usage
        worked = self.run("monotonic").report.usage
        assert worked.cpu_time_us, worked

    def _times_out(self, finished: Finished) -> None:
        assert finished.kind is OutcomeKind.TIMED_OUT, finished
        assert finished.report.usage.wall_time_us >= _DEADLINE_MS * 1000, finished.report.usage

    def _ends_at_file_limit(self, *, each: int) -> None:
        host = self._empty_folder()
        finished = self.run("fill", str(64 * _MIB), str(each), folders=[host], limits=limits(files=_FILES))
        assert finished.kind is OutcomeKind.FILE_LIMIT, finished
        largest = max((path.stat().st_size for path in Path(host.host).iterdir()), default=0)
        assert largest <= _FILES, f"a file of {largest} bytes"

    def _empty_folder(self) -> Preopen:
        host = self.folder / "given"
        host.mkdir()
        return Preopen(str(host), Mount("/data"))

    def _ended_out_of_memory(self, finished: Finished) -> bool:
        """Whether the job was ended at the memory limit, instead of being told that there is no more."""
        if finished.kind is not OutcomeKind.OUT_OF_MEMORY:
            return False
        self.declare("a job that wants more memory than its limit is ended, not told so")
        return True
