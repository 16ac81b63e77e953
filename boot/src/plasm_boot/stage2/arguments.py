"""What the kernel's command line says to stage 2; the signed manifest and stage 1 have written it.  Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from plasm_boot.linux.fixed_address import FixedAddress
from plasm_boot.stage2.verity import Verity


class Arguments(NamedTuple):
    """``state`` is the UUID of the file system to keep state on, ``bootstrap`` peers of the DHT to begin with,
    ``address`` the one for wired links where it is fixed, and ``passed`` the time when stage 1 handed over."""

    verity: Verity
    state: str | None
    bootstrap: tuple[str, ...]
    address: FixedAddress | None
    passed: datetime | None

    @classmethod
    def parse(cls, command_line: str) -> Arguments:
        """Those in the text of /proc/cmdline.

        Raises:
            ValueError: there is no ``phase.verity=``, or one of ours that cannot be used.
        """
        said = [word.partition("=")[::2] for word in command_line.split()]
        # The first of a name holds: the signed part of the command line comes before what was added to it.
        first = dict(reversed(said))
        if "phase.verity" not in first:
            raise ValueError("nothing on the command line says how to check the root file system (phase.verity=)")
        return cls(
            verity=Verity.parse(first["phase.verity"]),
            state=first.get("phase.state"),
            bootstrap=tuple(value for name, value in said if name == "phase.bootstrap"),
            address=FixedAddress.parse(first["phase.ip"]) if "phase.ip" in first else None,
            passed=_time(first["phase.time"]) if "phase.time" in first else None,
        )


def _time(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"phase.time={text} is no time") from None
