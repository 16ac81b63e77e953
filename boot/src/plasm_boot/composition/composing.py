"""The composition of a mode: which plugins, and from them everything that its image holds and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from plasm.contracts import BootMode, RootfsNeeds
from plasm.errors import InvalidInput
from plasm.plugins import PluginEntry, PluginHost, PluginKind
from plasm_boot.composition.distributions import Wheel, closure

BOOT: Final = "plasm-plugin-boot"

# What builders and providers alone import; what only developers of libp2p need; and gRPC, which libp2p asks for and
# nothing of what we use imports.
NOT_IN_IMAGES: Final = (
    *("cyclonedx-python-lib", "hypercorn", "packaging", "starlette", "uv"),
    *("mypy-protobuf", "types-protobuf", "types-requests", "grpcio"),
)
# Stage 1 has no command line.  It opens no port at a router either, but libp2p imports miniupnpc all the same.
NOT_IN_STAGE1: Final = (*NOT_IN_IMAGES, "typer", "rich", "rpcudp")


@frozen
class Composition:
    """A mode, the plugins of its nodes, what they need, and the wheels of each stage."""

    mode: BootMode
    plugins: tuple[PluginEntry, ...]
    needs: RootfsNeeds
    rootfs_wheels: tuple[Wheel, ...]
    stage1_wheels: tuple[Wheel, ...]

    @property
    def plugin_names(self) -> dict[str, tuple[str, ...]]:
        """Names by kind, of those kinds that a mode chooses."""
        chosen: dict[str, tuple[str, ...]] = {}
        for entry in self.plugins:
            if entry.kind not in (PluginKind.BOOT_MODE, PluginKind.EXTENSION):
                chosen[entry.kind.value] = (*chosen.get(entry.kind.value, ()), entry.name)
        return chosen


def compose(host: PluginHost, mode: str, extra: Iterable[tuple[PluginKind, str]], machine: str) -> Composition:
    """The composition of the mode called ``mode`` with ``extra`` plugins, by kind and name, for a ``machine``.

    Raises:
        PluginError: a plugin that was chosen is not there, or cannot be asked.
        BuildFailed: a distribution that is needed is not there.
    """
    chosen = host.boot_mode(mode)
    plugins = host.plugins_of(chosen, extra)
    needs = host.rootfs_needs(chosen, plugins)
    return Composition(
        mode=chosen,
        plugins=plugins,
        needs=needs,
        rootfs_wheels=closure(_distributions(plugins, needs.wheels), NOT_IN_IMAGES, machine),
        stage1_wheels=closure(_distributions(_for_stage1(host, plugins)), NOT_IN_STAGE1, machine),
    )


def _distributions(plugins: Iterable[PluginEntry], wheels: Iterable[str] = ()) -> set[str]:
    return {BOOT, *(entry.distribution for entry in plugins), *wheels}


def _for_stage1(host: PluginHost, plugins: Iterable[PluginEntry]) -> tuple[PluginEntry, ...]:
    """Stage 1 looks for providers and fetches: it has discovery, and a transport where discovery speaks over one."""
    kinds = {PluginKind.DISCOVERY, PluginKind.BOOT_MODE}
    plugins = tuple(plugins)
    if host.needs_transport(entry.name for entry in plugins if entry.kind is PluginKind.DISCOVERY):
        kinds.add(PluginKind.TRANSPORT)
    return tuple(entry for entry in plugins if entry.kind in kinds)


def parse_plugins(texts: Iterable[str]) -> tuple[tuple[PluginKind, str], ...]:
    """``KIND:NAME``, several of them parted by commas.

    Raises:
        InvalidInput: one that is not of this form, or of no kind that there is.
    """
    found = []
    for text in ",".join(texts).replace(",", " ").split():
        kind, separator, name = text.partition(":")
        if not separator or not name or kind not in set(PluginKind):
            raise InvalidInput(
                f"{text!r} does not name a plugin", hint=f"write KIND:NAME, KIND one of {', '.join(PluginKind)}"
            )
        found.append((PluginKind(kind), name))
    return tuple(found)
