"""A job sees what it was given and nothing else, and what it writes comes out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from plasm.jobs.sinks import CollectingSink
from plasm.model import Outcome, sha256_hex
from plasm.testing._workbench import Silence, Workbench

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream

_TEN_MEGABYTES: Final = bytes(range(251)) * (10_000_000 // 251)


class Invocations(Workbench):
    """Arguments, environment and standard streams."""

    def test_arguments_arrive_as_they_were_given(self) -> None:
        """Arguments arrive as they were given: in order, with spaces, in Unicode, empty ones too."""
        given = ("args", "one", "", "two words", "--flag=x", "ünïcødé ⚛ 漢字", "new\nline", "", '"quoted" $HOME *')
        finished = self.run(*given)
        assert finished.outcome == Outcome.exited(0), finished
        assert tuple(finished.texts[1:]) == given, finished

    def test_program_name_says_nothing_of_the_host(self) -> None:
        """The program's own name is no path of the host's."""
        finished = self.run("args")
        name = finished.texts[0]
        assert name, finished
        assert "/" not in name, finished

    def test_arguments_may_be_long_and_many(self) -> None:
        """Arguments may be long and many: a thousand, and one of half a megabyte."""
        given = ("args", "x" * 500_000, *map(str, range(1000)))
        finished = self.run(*given)
        assert tuple(finished.texts[1:]) == given, finished

    def test_environment_is_what_was_given(self) -> None:
        """The environment is what was given: empty values, Unicode and equals signs too."""
        given = {"LANG": "C.UTF-8", "EMPTY": "", "EQUATION": "a=b=c", "NAME": "Zoë ⚛", "lower": "two words"}
        finished = self.run("env", env=given)
        assert sorted(finished.texts) == sorted(f"{name}={value}" for name, value in given.items()), finished

    def test_no_variable_is_inherited(self) -> None:
        """No variable of the process that runs a job is inherited."""
        finished = self.run("env")
        assert finished.outcome == Outcome.exited(0), finished
        assert finished.texts == [], finished

    def test_no_stdin_is_an_empty_one(self) -> None:
        """A job without standard input finds an empty one."""
        finished = self.run("cat")
        assert finished.outcome == Outcome.exited(0), finished
        assert finished.stdout == b"", finished

    def test_stdin_of_ten_megabytes_passes_through(self) -> None:
        """Ten megabytes pass from standard input to standard output unchanged."""
        finished = self.run("cat", stdin=_TEN_MEGABYTES)
        assert finished.outcome == Outcome.exited(0), finished
        assert len(finished.stdout) == len(_TEN_MEGABYTES), finished
        assert finished.report.stdout == finished.report.stdin == sha256_hex(_TEN_MEGABYTES), finished

    def test_stdin_may_be_left_unread(self) -> None:
        """A job may leave its standard input unread; its digest is that of all of it."""
        finished = self.run("exit", "3", stdin=_TEN_MEGABYTES)
        assert finished.outcome == Outcome.exited(3), finished
        assert finished.report.stdin == sha256_hex(_TEN_MEGABYTES), finished

    def test_stdin_that_never_ends_holds_up_nobody(self) -> None:
        """A job that reads nothing ends, though its standard input stays open."""
        with Silence() as silence:
            finished = self.run("exit", "4", stdin=silence.descriptor)
        assert finished.outcome == Outcome.exited(4), finished

    def test_input_and_output_flow_while_the_job_runs(self) -> None:
        """Output comes out while the job waits for more input."""
        question, answer = os.pipe()

        class Dialogue(CollectingSink):
            """Gives the second line when the first has come back, then ends."""

            def write(self, stream: Stream, data: bytes) -> bool:
                if self.content("stdout") == b"":
                    os.write(answer, b"second\n")
                    os.close(answer)
                return super().write(stream, data)

        os.write(answer, b"first\n")
        sink = Dialogue()
        finished = self.run("cat", stdin=question, sink=sink)
        os.close(question)
        assert finished.outcome == Outcome.exited(0), finished
        assert sink.content("stdout") == b"first\nsecond\n", sink.content("stdout")

    def test_output_may_be_any_bytes(self) -> None:
        """Output may be any bytes: all 256 arrive as they were written."""
        finished = self.run("bytes")
        assert finished.stdout == bytes(range(256)), finished

    def test_stdout_and_stderr_are_kept_apart(self) -> None:
        """Standard output and standard error are kept apart."""
        finished = self.run("both")
        assert finished.stdout == b"out" * 100, finished
        assert finished.stderr == b"err" * 100, finished

    def test_output_before_an_exit_arrives_whole(self) -> None:
        """Everything written before the end arrives: a million bytes and an exit."""
        finished = self.run("blob", "1000000")
        assert finished.outcome == Outcome.exited(0), finished
        assert finished.stdout == b"x" * 1_000_000, finished
