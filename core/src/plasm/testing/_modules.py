"""What is not a command for WASI preview 1 is refused with a reason."""

from __future__ import annotations

from functools import partial
from typing import Final

from plasm.artifacts.modules import Module
from plasm.errors import InvalidModule, UnsupportedImport
from plasm.model import Outcome, OutcomeKind, sha256_hex
from plasm.testing._workbench import Workbench, guest, limits, refusal

_HEADER: Final = b"\0asm\x01\0\0\0"


class RefusedModules(Workbench):
    """Malformed and hostile modules."""

    def test_malformed_modules_are_refused(self) -> None:
        """A module that is malformed is refused: another format, rubbish after the header, an unknown section."""
        for data in (b"", b"(module)", b"\x7fELF" + bytes(60), _HEADER + b"rubbish", _HEADER + b"\x7f\x01\0"):
            self._refusal(_unchecked(data))

    def test_a_truncated_module_is_refused(self) -> None:
        """A module that is cut short is refused."""
        whole = guest("probe").data
        for size in (4, 9, len(whole) // 2, len(whole) - 1):
            self._refusal(_unchecked(whole[:size]))

    def test_a_component_is_refused(self) -> None:
        """A component is refused."""
        self._refusal(_unchecked(b"\0asm\x0d\0\x01\0"))

    def test_an_unknown_import_is_named(self) -> None:
        """A module that imports what no job is given is refused, and the import is named."""
        error = self._refusal(guest("unknown-import"))
        assert isinstance(error, UnsupportedImport), repr(error)
        assert "teapot" in error.message, error
        assert "pour" in error.message, error

    def test_an_import_of_another_type_is_refused(self) -> None:
        """A module that imports a function of WASI with another type is refused."""
        self._refusal(guest("wrong-import-type"))

    def test_a_module_without_start_is_refused(self) -> None:
        """A module without ``_start`` is refused, and the reason names it."""
        assert "_start" in self._refusal(guest("no-start")).message

    def test_a_reactor_is_refused(self) -> None:
        """A reactor, which has ``_initialize`` in place of ``_start``, is refused."""
        self._refusal(guest("reactor"))

    def test_a_start_with_parameters_is_refused(self) -> None:
        """A ``_start`` that takes parameters is refused."""
        self._refusal(guest("start-with-parameter"))

    def test_memory_of_64_bits_is_refused(self) -> None:
        """A memory with addresses of 64 bits is refused, for limits are counted for 32."""
        self._refusal(guest("memory64"))

    def test_a_job_after_a_refused_one_runs(self) -> None:
        """A job after one that was refused runs."""
        for name in ("unknown-import", "no-start", "memory64"):
            self._refusal(guest(name))
            after = self.run("exit", "8", stdin=b"some input")
            assert after.outcome == Outcome.exited(8), after

    def test_a_huge_table_harms_nobody(self) -> None:
        """A module with a table of 32 GiB is refused or ends out of memory, in a process that survives."""
        try:
            finished = self.run(module=guest("huge-table"), limits=limits(memory=64 * 2**20))
        except InvalidModule:
            return
        assert finished.kind is OutcomeKind.OUT_OF_MEMORY, finished

    def test_a_table_that_grows_harms_nobody(self) -> None:
        """A table does not grow without end: the job is told so or ends out of memory."""
        finished = self.run(module=guest("growing-table"), limits=limits(memory=64 * 2**20))
        assert finished.outcome == Outcome.exited(0) or finished.kind is OutcomeKind.OUT_OF_MEMORY, finished

    def _refusal(self, module: Module) -> InvalidModule:
        error = refusal(InvalidModule, partial(self.run, module=module))
        assert error.message, repr(error)
        return error


def _unchecked(data: bytes) -> Module:
    """A module of bytes that the core itself would not let pass as one."""
    return Module(data, sha256_hex(data))
