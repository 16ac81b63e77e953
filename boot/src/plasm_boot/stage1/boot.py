"""The course of stage 1, from top to bottom: devices, network, a system that verifies, and into it.

Nothing is executed that did not verify.  Every step may be repeated: after a failure all of it runs again, with what is
mounted and connected already.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, NoReturn

from plasm_boot.errors import BootArgumentInvalid, MediumMissing, NoNetwork, NoProvider
from plasm_boot.fetching.search import Found
from plasm_boot.linux import clock
from plasm_boot.manifest import BootManifest
from plasm_boot.settings import MEDIA_REPOSITORY, ImageSettings
from plasm_boot.stage1 import handover, media, network, search
from plasm_boot.stage1.arguments import Arguments
from plasm_boot.stage1.console import Console
from plasm_boot.stage1.devices import Devices, serves_no_network
from plasm_boot.stage1.image import Image
from plasm_boot.stage1.media import StatePartition
from plasm_boot.stage1.telling import Telling
from plasm_boot.trust.verification import TrustedRepository

NEXT: Final = Path("/run/phase/next")


def boot(image: Image, arguments: Arguments, console: Console, telling: Telling) -> NoReturn:
    """Boot into the newest system for this image that verifies.

    Raises:
        PlasmError: what is in the way.
    """
    settings = image.told(arguments)
    if arguments.mode not in (None, settings.mode):
        raise BootArgumentInvalid(
            f"phase.mode={arguments.mode}, and this image is for the mode {settings.mode}",
            hint="choose the mode in the menu",
        )
    console.step(f"Plasm, {settings.title} mode: the channel {settings.channel} for {settings.arch}")
    if clock.not_before(settings.built_at):
        console.step(f"the clock was before this image was built; it is {clock.now():%Y-%m-%d %H:%M} at least")

    console.step("loading drivers")
    devices = Devices(serves_no_network) if settings.network_scope == "none" else Devices()
    devices.load_drivers()
    if settings.network_scope != "none":
        network.begin(arguments.address)
    state = _state(devices, console) if settings.writes else None
    trusted = TrustedRepository(image.root, state.memory if state is not None else None)

    if settings.network_scope == "none":
        found = _from_medium(trusted, settings, devices, console, telling)
    else:
        found = _from_network(trusted, settings, arguments, devices, state, console, telling)
    manifest = found.verified.manifest
    if clock.not_before(manifest.created_at):
        console.step(f"the clock was before this system was made; it is {clock.now():%Y-%m-%d %H:%M} at least")
    console.step(f"fetching version {manifest.version} of {manifest.channel}")
    files = search.fetch(found, state if settings.cache else None, telling)
    console.step("everything is verified: handing over")
    _hand_over(manifest, files, _arguments(settings, state, arguments))


def _state(devices: Devices, console: Console) -> StatePartition | None:
    """Where something may be kept; a machine whose partition for that is damaged boots all the same."""
    try:
        return media.mount_state(devices)
    except MediumMissing as error:
        console.step(f"nothing is kept: {error.message}")
        return None


def _from_medium(
    trusted: TrustedRepository, settings: ImageSettings, devices: Devices, console: Console, telling: Telling
) -> Found:
    console.step("looking for the boot medium")
    medium = media.mount_medium(devices)
    return search.in_folder(trusted, settings, telling, medium / MEDIA_REPOSITORY)


def _from_network(
    trusted: TrustedRepository,
    settings: ImageSettings,
    arguments: Arguments,
    devices: Devices,
    state: StatePartition | None,
    console: Console,
    telling: Telling,
) -> Found:
    """From providers, or where none can be reached, the system that was kept when one could."""
    try:
        console.step("bringing up the network")
        console.step(f"addresses: {', '.join(network.bring_up(devices, arguments.address))}")
        console.step("looking for providers")
        return search.among_providers(trusted, settings, telling)
    except (NoNetwork, NoProvider) as error:
        if state is None or not settings.cache or not state.repository.joinpath("metadata").exists():
            raise
        console.step(f"{error.message}; looking at the system that was kept")
        try:
            return search.in_folder(trusted, settings, telling, state.repository)
        except NoProvider:
            raise error from None


def _arguments(settings: ImageSettings, state: StatePartition | None, said: Arguments) -> list[tuple[str, str]]:
    """What the next kernel is told beyond what was signed."""
    # The next kernel begins with what the machine's own clock says, which was not set.
    passed = str(int(clock.now().timestamp()))
    told = [("phase.mode", settings.mode), ("phase.channel", settings.channel), ("phase.time", passed)]
    if state is not None:
        told.append(("phase.state", state.identifier))
    if said.address is not None:
        told.append(("phase.ip", str(said.address)))
    return [*told, *(("phase.bootstrap", peer) for peer in settings.bootstrap)]


def _hand_over(manifest: BootManifest, files: dict[str, Path], arguments: list[tuple[str, str]]) -> NoReturn:
    line = handover.command_line(manifest.cmdline, arguments)
    shutil.rmtree(NEXT, ignore_errors=True)
    NEXT.mkdir(parents=True)
    kernel, initramfs = NEXT / "kernel", NEXT / "initramfs"
    with kernel.open("wb") as into:
        handover.take(files["kernel"], manifest.kernel, into)
    with initramfs.open("wb") as into:
        handover.join((files["initramfs"], manifest.initramfs), (files["rootfs"], manifest.rootfs), into)
    shutil.rmtree(search.IN_MEMORY, ignore_errors=True)
    handover.load(kernel, initramfs, line)
    media.release()
    handover.leap()
