"""The machine's clock: it may be wrong, but it is never before a moment that is known to have passed."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The time as this machine believes it to be."""
    return datetime.now(UTC)


def corrected(believed: datetime, passed: datetime) -> datetime | None:
    """The time to set a clock to that shows ``believed`` when ``passed`` has certainly passed; ``None``: leave it."""
    return passed if believed < passed else None


def not_before(passed: datetime) -> bool:
    """See to it that the clock shows no time before ``passed``; says whether it had to be set.

    Raises:
        OSError: the kernel does not let us set it.
    """
    right = corrected(now(), passed)
    if right is not None:
        time.clock_settime(time.CLOCK_REALTIME, right.timestamp())
    return right is not None
