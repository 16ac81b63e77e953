"""Asking and telling the installed extensions; costs nothing where there are none."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from plasm.errors import PluginError
from plasm.plugins.index import PluginKind

if TYPE_CHECKING:
    import pluggy
    import typer

    from plasm.model import Manifest, Outcome, PeerId
    from plasm.plugins.host import PluginHost


class Extensions:
    """Every extension of ``host`` that is not disabled and can be loaded; ``failures`` says why others cannot."""

    def __init__(self, host: PluginHost) -> None:
        self.host = host
        self.failures: list[PluginError] = []

    def refusal(self, manifest: Manifest, peer: PeerId | None) -> str | None:
        """Why an extension does not admit this job, or ``None``."""
        if self._hook is None:
            return None
        refusal: str | None = self._hook.plasm_admit_job(config=self.host.config, manifest=manifest, peer=peer)
        return refusal

    def job_event(self, job_id: str, event: str, outcome: Outcome | None = None) -> None:
        """Tell that a job went on."""
        if self._hook is not None:
            self._hook.plasm_job_event(job_id=job_id, event=event, outcome=outcome)

    def receipt_issued(self, job_id: str, receipt: bytes) -> None:
        """Tell that a receipt was signed."""
        if self._hook is not None:
            self._hook.plasm_receipt_issued(job_id=job_id, receipt=receipt)

    def add_commands(self, app: typer.Typer) -> None:
        """Let each extension add its commands to ``app``."""
        if self._hook is not None:
            self._hook.plasm_cli(app=app)

    @cached_property
    def _hook(self) -> pluggy.HookRelay | None:
        entries = [
            entry for entry in self.host.entries if entry.kind is PluginKind.EXTENSION and not self.host.disabled(entry)
        ]
        if not entries:
            return None
        from plasm.plugins.loading import new_manager, register

        manager = new_manager()
        for entry in entries:
            try:
                register(manager, entry)
            except PluginError as error:
                self.failures.append(error)
        return manager.hook
