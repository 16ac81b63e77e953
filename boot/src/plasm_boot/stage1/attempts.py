"""One attempt to boot; when it failed, says why, and waits for the time or for somebody to try again.

Each attempt is a process of its own, so that nothing of a failed one is left: no thread, no half-imported library.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from plasm.errors import PlasmError
from plasm_boot.linux import syscalls
from plasm_boot.linux.consoles import Consoles
from plasm_boot.stage1 import diagnostics, emulated, loader, media
from plasm_boot.stage1.arguments import Arguments
from plasm_boot.stage1.boot import boot
from plasm_boot.stage1.console import Console
from plasm_boot.stage1.image import Image
from plasm_boot.stage1.rescue import USUAL, Asking, Choice, Counting, menu, press, seconds_before_retry
from plasm_boot.stage1.telling import Telling

_SHELL: Final = "/bin/sh"
_NO_SHELL: Final = 127
_LONG: Final = 3600.0
"""Seconds of one wait for a key; a question that nobody answers is asked again."""
_DEBUG: Final = "phase.debug=1"
_QUIET_KERNEL: Final = "4"  # warnings and less stay in the kernel's log: KERN_WARNING is 4


def attempt(failures: int, crash: str | None) -> None:
    """Try to boot after so many ``failures``; returns when it is time for another attempt.

    ``crash`` is how the former attempt's process ended, where it should not have: then nothing is tried before somebody
    has seen that.
    """
    Path("/proc/sys/kernel/printk").write_text(_QUIET_KERNEL)
    consoles = Consoles.of_this_machine()
    console = Console(consoles.write, time.monotonic)
    telling = Telling(console)
    console.step(f"failed: {crash or _try_once(console, telling)}")
    _rescue(consoles, console, telling, failures + 1)


def _try_once(console: Console, telling: Telling) -> str:
    """Boot; returns only when that failed, with what is to be said about it in one line."""
    command_line = f"{emulated.arguments()} {Path('/proc/cmdline').read_text()}"
    try:
        boot(Image.read(), Arguments.parse(command_line), console, telling)
    except PlasmError as error:
        return str(error)
    except Exception as error:
        if _DEBUG in command_line.split():
            for line in traceback.format_exc().splitlines():
                console.say(line)
        return f"a mistake in stage 1: {type(error).__name__}: {error}"


def _rescue(consoles: Consoles, console: Console, telling: Telling, failures: int) -> None:
    """Wait, ask and do what was chosen, until it is time to try again."""
    offered = (*USUAL, Choice.SHELL) if _shell_offered() else USUAL
    choice = _ask(consoles, console, offered, Counting(seconds_before_retry(failures)))
    while choice is not Choice.RETRY:
        _ACTIONS[choice](consoles, console, telling)
        choice = _ask(consoles, console, offered, Asking())


def _ask(consoles: Consoles, console: Console, offered: Sequence[Choice], state: Counting | Asking) -> Choice:
    console.say("")
    for line in menu(offered):
        console.say(line)
    consoles.forget_keys()
    while True:
        consoles.write(f"\r{state.line()}\033[K")
        key = consoles.key(1.0 if isinstance(state, Counting) else _LONG)
        if key is not None:
            reached: Counting | Asking | Choice = press(key, offered)
        else:
            reached = state.tick() if isinstance(state, Counting) else state
        if isinstance(reached, Choice):
            console.say("")
            return reached
        state = reached


def _shell_offered() -> bool:
    try:
        return Image.read().settings.shell and os.access(_SHELL, os.X_OK)
    except (OSError, ValueError):
        return False


def _show_diagnostics(consoles: Consoles, console: Console, telling: Telling) -> None:
    for line in diagnostics.report():
        console.say(f"  {line}")
    for refusal in telling.refusals:
        console.say(f"  refused    {refusal}")


def _boot_other_mode(consoles: Consoles, console: Console, telling: Telling) -> None:
    """Let the boot menu show up again; where variables of the firmware may be written, with an entry chosen here."""
    entries = _entries()
    for number, entry in enumerate(entries, 1):
        console.say(f"  {number}  {entry.title}")
    console.say("  0  show the boot menu")
    key = consoles.key(_LONG) or ""
    if key.isdigit() and 0 < int(key) <= len(entries):
        if not loader.choose_once(entries[int(key) - 1]):
            console.say("this firmware does not let the choice be handed on: choose it in the menu")
    elif key != "0":
        return
    _stop(syscalls.RESTART)


def _entries() -> list[loader.MenuEntry]:
    """Those of the boot menu; none in a mode that writes nothing, for handing on a choice is writing."""
    try:
        if not Image.read().settings.writes:
            return []
        media.mount_present_medium()
    except (OSError, ValueError, PlasmError):
        return []
    return loader.entries()


def _power_off(consoles: Consoles, console: Console, telling: Telling) -> None:
    _stop(syscalls.POWER_OFF)


def _reboot(consoles: Consoles, console: Console, telling: Telling) -> None:
    _stop(syscalls.RESTART)


def _stop(command: int) -> None:
    with suppress(OSError):
        media.release()
    syscalls.reboot(command)


def _run_shell(consoles: Consoles, console: Console, telling: Telling) -> None:
    """A shell at the first console, which Ctrl-C does not end; leaving it leads back here."""
    shell = os.fork()
    if not shell:
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            # Not /dev/console: that never is the terminal of a session.
            os.login_tty(consoles.terminal())
            os.execv(_SHELL, [_SHELL, "-i"])  # noqa: S606
        finally:
            os._exit(_NO_SHELL)
    os.waitpid(shell, 0)
    consoles.open_again()


_ACTIONS: Final[dict[Choice, Callable[[Consoles, Console, Telling], None]]] = {
    Choice.OTHER_MODE: _boot_other_mode,
    Choice.DIAGNOSTICS: _show_diagnostics,
    Choice.POWER_OFF: _power_off,
    Choice.REBOOT: _reboot,
    Choice.SHELL: _run_shell,
}
