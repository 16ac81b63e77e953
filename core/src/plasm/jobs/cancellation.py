"""Asking a running job to stop, from another thread or from a signal handler."""

from __future__ import annotations

import os
from types import TracebackType


class Cancellation:
    """A request that can be made once and waited for with ``poll``: ``descriptor`` is readable from then on."""

    def __init__(self) -> None:
        self.descriptor, self._request = os.pipe()
        self.requested = False

    def cancel(self) -> None:
        """Make the request; harmless when repeated."""
        if not self.requested:
            self.requested = True
            os.write(self._request, b"\0")

    def __enter__(self) -> Cancellation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
        os.close(self._request)
