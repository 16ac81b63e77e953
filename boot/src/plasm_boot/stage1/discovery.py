"""Looks for providers by the mode's discovery plugins, beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from plasm.config import Config
from plasm.contracts import Transport
from plasm.errors import PlasmError
from plasm.model import PeerId
from plasm.ops.concurrency import task_group
from plasm.plugins import PluginHost, PluginKind
from plasm.signatures import EphemeralSigner
from plasm_boot.fetching.discovering import providers
from plasm_boot.settings import ImageSettings

_FOLDER: Final = Path("/run/phase/plasm")
_SECONDS_TO_END: Final = 5.0
_SECONDS_BETWEEN_LOOKS: Final = 3.0


@contextmanager
def looking(settings: ImageSettings, found: Callable[[str], None], failed: Callable[[str], None]) -> Iterator[None]:
    """Look for providers while the block lasts.

    ``found`` is told their URLs, and ``failed`` what keeps a discovery from working; both from another thread.
    """
    over = threading.Event()
    thread = threading.Thread(
        target=anyio.run,
        args=(_until, over, settings, found, failed),
        kwargs={"backend": "trio"},
        name="discovery",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        # A plugin that does not come to its end is left behind: booting does not wait for it.
        thread.join(_SECONDS_TO_END)


async def _until(
    over: threading.Event, settings: ImageSettings, found: Callable[[str], None], failed: Callable[[str], None]
) -> None:
    try:
        async with task_group() as tasks:
            tasks.start_soon(_look, settings, found, failed)
            await anyio.to_thread.run_sync(over.wait, abandon_on_cancel=True)
            tasks.cancel_scope.cancel()
    except Exception as error:
        failed(f"looking for providers failed: {type(error).__name__}: {error}")


async def _look(settings: ImageSettings, found: Callable[[str], None], failed: Callable[[str], None]) -> None:
    """Have every discovery of the mode look; one that fails is told and takes nothing else down."""
    host, signer = PluginHost(_config(settings)), EphemeralSigner()
    names = settings.plugins.get(PluginKind.DISCOVERY, ())
    async with AsyncExitStack() as network:
        transport: Transport | None = None
        if host.needs_transport(names):
            chosen = next(iter(settings.plugins.get(PluginKind.TRANSPORT, ())), None)
            transport = await network.enter_async_context(host.transport(signer, chosen))
        async with task_group() as tasks:
            for name in names:
                tasks.start_soon(_look_by, name, host, PeerId(signer.public_key), transport, settings, found, failed)


async def _look_by(
    name: str,
    host: PluginHost,
    node: PeerId,
    transport: Transport | None,
    settings: ImageSettings,
    found: Callable[[str], None],
    failed: Callable[[str], None],
) -> None:
    try:
        async with host.discovery(name, node, transport) as discovery:
            while True:
                async for url in providers(discovery, settings.channel, settings.arch):
                    found(url)
                # A search that has an end may find more when it is made anew.
                await anyio.sleep(_SECONDS_BETWEEN_LOOKS)
    except PlasmError as error:
        failed(f"discovery by {name} failed: {error}")


def _config(settings: ImageSettings) -> Config:
    """A configuration that keeps nothing beyond this boot."""
    return Config(
        config_dir=_FOLDER / "config",
        data_dir=_FOLDER / "data",
        state_dir=_FOLDER / "state",
        cache_dir=_FOLDER / "cache",
        runtime_dir=_FOLDER / "run",
        bootstrap=settings.bootstrap,
    )
