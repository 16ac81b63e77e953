"""How much of what peers send may wait in memory to be read."""

from __future__ import annotations


class Allowance:
    """So many bytes, part of a larger allowance where there is one."""

    def __init__(self, limit: int, within: Allowance | None = None) -> None:
        self._limit = limit
        self._taken = 0
        self._within = within

    def take(self, count: int) -> bool:
        """Whether ``count`` bytes were left, here and in the larger allowance; they are taken then."""
        if self._taken + count > self._limit or (self._within is not None and not self._within.take(count)):
            return False
        self._taken += count
        return True

    def give_back(self, count: int) -> None:
        """Return ``count`` bytes that were taken."""
        self._taken -= count
        if self._within is not None:
            self._within.give_back(count)

    def close(self) -> None:
        """Return all that is taken; what is given back here afterwards counts no more."""
        if self._within is not None:
            self._within.give_back(self._taken)
            self._within = None
