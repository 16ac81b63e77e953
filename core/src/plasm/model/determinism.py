"""What a deterministic job gets in place of the machine's clock and random numbers; every runtime gives the same.

The clock starts at the manifest's ``clock`` and moves only when it is looked at: each reading adds
:data:`CLOCK_STEP_NS` and a sleep adds its length and takes no time.  Random bytes are the SHA-256 digests of
``plasm-random-1`` NUL, the seed and the numbers 0, 1, 2 …, seed and numbers as 8 bytes in little-endian order.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from plasm.errors import InvalidInput
from plasm.model.quantities import MAX_SAFE_INTEGER

CLOCK_STEP_NS: Final = 1_000
_MAX_CLOCK_SECONDS: Final = 2**33
_MAX_SEED: Final = MAX_SAFE_INTEGER


@frozen
class Determinism:
    """From where the clock starts, in seconds since the Unix epoch, and what random numbers grow from.

    Raises:
        InvalidInput: out of range.
    """

    clock: int = field(default=0)
    seed: int = field(default=0)

    def __attrs_post_init__(self) -> None:
        for name, value, high in (("clock", self.clock, _MAX_CLOCK_SECONDS), ("seed", self.seed, _MAX_SEED)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
                raise InvalidInput(f"{name} = {value!r} is out of range", hint=f"a whole number from 0 to {high}")


class VirtualClock:
    """The time of one deterministic job, in nanoseconds since the Unix epoch."""

    def __init__(self, determinism: Determinism) -> None:
        self._now = determinism.clock * 1_000_000_000

    def read(self) -> int:
        """The time, different at each reading."""
        self._now += CLOCK_STEP_NS
        return self._now

    def sleep_until(self, moment: int) -> None:
        """Let the time be ``moment``, if that is still to come."""
        self._now = max(self._now, moment)


class RandomStream:
    """The random bytes of one deterministic job."""

    def __init__(self, determinism: Determinism) -> None:
        self._prefix = b"plasm-random-1\0" + determinism.seed.to_bytes(8, "little")
        self._blocks = 0
        self._left = b""

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        import hashlib

        parts, size = [self._left], len(self._left)
        while size < count:
            parts.append(hashlib.sha256(self._prefix + self._blocks.to_bytes(8, "little")).digest())
            self._blocks += 1
            size += len(parts[-1])
        data = b"".join(parts)
        self._left = data[count:]
        return data[:count]
