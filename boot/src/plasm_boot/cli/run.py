"""``plasm boot run``: a machine in QEMU that boots an image or a system, its serial console here."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from attrs import evolve

from plasm.errors import ExitStatus, PlasmError, UnreadableInput
from plasm.model.quantities import parse_size
from plasm.ops.console import say
from plasm_boot import emulator
from plasm_boot.cli.options import ArchName
from plasm_boot.errors import BuildFailed

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot run build/image.qcow2
  plasm boot run build/image.qcow2 --snapshot --memory 4GiB --forward 4001:4001
  plasm boot run private.img --net none
  plasm boot run build/image.qcow2 --append "phase.provider=http://10.0.2.2:8400/"
  plasm boot run build/local --append systemd.show_status=no      a system, without firmware and first stage

\b
Ctrl-A X ends the machine, Ctrl-A C is QEMU's monitor, Ctrl-A H tells more.  On its network this machine is 10.0.2.2,
and an image's first stage is told to ask a provider there, at the usual port.
KVM is used where a guest really runs under it, which is tried first; it is slower without.
"""

_PROVIDER_HERE: Final = "http://10.0.2.2:8380"
"""A provider on this machine, as a machine on QEMU's own network sees it; multicast does not get there."""


@app.command(epilog=EXAMPLES)
def run(
    image: Annotated[
        Path, typer.Argument(help="An image of plasm boot image, or a system of plasm boot build.", metavar="IMAGE")
    ],
    arch: Annotated[ArchName, typer.Option(help="The architecture of an image's machine.")] = "x86_64",
    memory: Annotated[str, typer.Option(help="Memory of the machine.", metavar="SIZE")] = "2GiB",
    cpus: Annotated[int, typer.Option(help="Processors of the machine.", min=1, max=64)] = 2,
    serial: Annotated[str, typer.Option(help="Where the serial console goes, as QEMU has it.")] = "stdio",
    net: Annotated[Literal["user", "none"], typer.Option(help="QEMU's own network, or none.")] = "user",
    forward: Annotated[
        list[str] | None, typer.Option(help="A TCP port here that leads to one of the machine.", metavar="HOST:MACHINE")
    ] = None,
    snapshot: Annotated[bool, typer.Option("--snapshot", help="Leave the image as it is.")] = False,
    append: Annotated[
        str, typer.Option(help="More for the command line of a system's kernel or an image's stage 1.", metavar="WORDS")
    ] = "",
    accel: Annotated[Literal["auto", "kvm", "tcg"], typer.Option(help="How to run the processor.")] = "auto",
) -> int:
    """Boot an emulated machine and show its serial console: an image by UEFI firmware, or a system as it is."""
    if not image.exists():
        raise UnreadableInput(f"there is no image {image}", hint="plasm boot image makes one")
    with tempfile.TemporaryDirectory(prefix="plasm-machine-") as folder:
        if image.is_dir():
            booted = emulator.machine_of(image, Path(folder), append)
        else:
            variables = emulator.copy_variables(arch, Path(folder) / "variables.fd")
            said = append if net == "none" else f"phase.provider={_PROVIDER_HERE} {append}"
            booted = emulator.Machine(image=image, arguments=said, arch=arch, snapshot=snapshot, variables=variables)
        program = emulator.emulator(booted.arch)
        machine = evolve(
            booted,
            memory=parse_size(memory) // 2**20,
            cpus=cpus,
            accelerator=emulator.accelerator(booted.arch) if accel == "auto" else accel,
            network=net,
            forward=emulator.parse_forwards(forward or ()),
            serial="mon:stdio" if serial == "stdio" else serial,
        )
        say(f"the machine runs under {machine.accelerator.upper()}; Ctrl-A X ends it")
        return _show(program, emulator.command(machine))


def _show(program: str, command: list[str]) -> int:
    """Run QEMU with this terminal; its own complaints are the error."""
    # Ctrl-C is for the machine: QEMU takes it from the terminal, and this process only waits.
    with subprocess.Popen([program, *command[1:]], stderr=subprocess.PIPE, text=True) as running:  # noqa: S603
        # Whoever ends this process ends the machine.
        signal.signal(signal.SIGTERM, lambda *_: running.terminate())
        complaints = []
        try:
            for line in running.stderr or ():
                complaints.append(line.strip())
                print(line, end="", file=sys.stderr)  # noqa: T201
        except KeyboardInterrupt:
            running.terminate()
            return ExitStatus.INTERRUPTED
    if running.returncode != 0:
        raise _failure(complaints)
    return ExitStatus.OK


def _failure(complaints: list[str]) -> PlasmError:
    return BuildFailed(f"QEMU failed: {complaints[-1] if complaints else 'it does not say why'}")
