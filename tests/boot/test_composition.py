"""What a mode's image is made of: its plugins, what these need, and nothing for anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("plasm_boot")

from plasm.errors import InvalidInput, PluginError, PluginNotFound
from plasm.plugins import PluginHost, PluginKind
from plasm_boot.building.firewall import ruleset
from plasm_boot.composition.composing import Composition, compose, parse_plugins
from plasm_boot.composition.distributions import closure
from plasm_boot.errors import BuildFailed

EXTENSION = """
from plasm.contracts import RootfsNeeds
from plasm.hookspecs import hookimpl
PLASM_HOOK_API = 1

@hookimpl
def plasm_compose_rootfs(mode):
    return RootfsNeeds(
        debian_packages=("busybox-static",), kernel_modules=("zram",), ports=("tcp/8080",),
        systemd_units=("zram.service",), configuration={"node.workers": %r},
    )
"""


def composed(mode: str, *extra: tuple[PluginKind, str]) -> Composition:
    return compose(PluginHost.from_environment(), mode, extra, "x86_64")


def names(composition: Composition, stage: str) -> set[str]:
    return {wheel.name for wheel in getattr(composition, f"{stage}_wheels")}


def test_a_mode_without_discovery_has_no_wheel_of_it() -> None:
    private = composed("private")
    unwanted = {"zeroconf", "libp2p", "aioquic", "plasm-plugin-discovery-mdns", "plasm-plugin-discovery-dht"}
    assert unwanted.isdisjoint(names(private, "stage1") | names(private, "rootfs"))
    assert {"plasm", "plasm-plugin-boot", "wasmtime"} <= names(private, "rootfs")


def test_stage_1_has_discovery_and_a_transport_only_where_discovery_speaks_over_one() -> None:
    local, internet = composed("local"), composed("internet")
    assert "zeroconf" in names(local, "stage1")
    assert "plasm-plugin-transport-quic" not in names(local, "stage1")
    assert {"plasm-plugin-discovery-dht", "plasm-plugin-transport-quic", "libp2p"} <= names(internet, "stage1")
    assert "wasmtime" not in names(local, "stage1") | names(internet, "stage1")


def test_what_only_builders_and_providers_import_is_in_no_image() -> None:
    for mode in ("internet", "local", "private"):
        wheels = names(composed(mode), "stage1") | names(composed(mode), "rootfs")
        assert wheels.isdisjoint({"cyclonedx-python-lib", "hypercorn", "starlette", "uv", "mypy"})


def test_wheels_are_of_the_versions_that_are_installed_here() -> None:
    from importlib import metadata

    for wheel in composed("local").rootfs_wheels:
        assert wheel.version == metadata.version(wheel.name)


def test_an_extra_plugin_comes_with_what_it_needs(plugin: Callable[..., None]) -> None:
    plugin("plasm.extension", "wide", EXTENSION % "4")
    wide = composed("private", (PluginKind.EXTENSION, "wide"))
    assert wide.needs.kernel_modules == ("zram",)
    assert wide.needs.debian_packages == ("busybox-static",)
    assert wide.needs.systemd_units == ("zram.service",)
    assert wide.needs.ports == ("tcp/8080",)
    assert wide.needs.configuration == {"node.workers": "4"}
    assert "plasm-plugin-test" in names(wide, "rootfs")
    assert "plasm-plugin-test" not in names(composed("private"), "rootfs")


def test_plugins_that_want_different_things_are_not_put_into_one_image(plugin: Callable[..., None]) -> None:
    plugin("plasm.extension", "one", EXTENSION % "4")
    plugin("plasm.extension", "other", EXTENSION % "8", distribution="plasm-plugin-other")
    with pytest.raises(PluginError, match=r"other.*node\.workers"):
        composed("private", (PluginKind.EXTENSION, "one"), (PluginKind.EXTENSION, "other"))


def test_a_plugin_that_fails_is_named(plugin: Callable[..., None]) -> None:
    source = EXTENSION.replace("return RootfsNeeds(", "return None.x(") % "4"
    plugin("plasm.extension", "broken", source)
    with pytest.raises(PluginError, match=r"broken.*plasm_compose_rootfs"):
        composed("private", (PluginKind.EXTENSION, "broken"))


def test_a_mode_of_a_third_party_is_composed_like_ours(plugin: Callable[..., None]) -> None:
    plugin(
        "plasm.boot_mode",
        "kiosk",
        """
from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl
PLASM_HOOK_API = 1

@hookimpl
def plasm_boot_mode():
    policy = BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="lan")
    return BootMode("kiosk", "Kiosk", {"runtime": ("wasmtime",), "discovery": ("mdns",)}, policy)
""",
    )
    kiosk = composed("kiosk")
    assert kiosk.plugin_names == {"runtime": ("wasmtime",), "discovery": ("mdns",)}
    assert {"zeroconf", "plasm-plugin-test"} <= names(kiosk, "stage1")


def test_a_mode_that_is_not_there_is_named() -> None:
    with pytest.raises(PluginNotFound, match="nowhere"):
        composed("nowhere")


def test_a_distribution_that_is_not_installed_is_named() -> None:
    with pytest.raises(BuildFailed, match="no-such-distribution"):
        closure(["no-such-distribution"])


def test_what_is_left_out_takes_along_what_only_it_needs() -> None:
    with_cli = {wheel.name for wheel in closure(["plasm"])}
    without = {wheel.name for wheel in closure(["plasm"], without=["typer"])}
    assert "typer" in with_cli
    assert {"typer", "shellingham"}.isdisjoint(without)


def test_plugins_are_named_by_kind_and_name() -> None:
    assert parse_plugins(["runtime:wasmer,extension:quota", "discovery:dht"]) == (
        (PluginKind.RUNTIME, "wasmer"),
        (PluginKind.EXTENSION, "quota"),
        (PluginKind.DISCOVERY, "dht"),
    )


@pytest.mark.parametrize("text", ["wasmer", "engine:wasmer", "runtime:", ":wasmer"])
def test_what_names_no_plugin_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        parse_plugins([text])


def test_the_firewall_lets_in_ports_and_ranges() -> None:
    rules = ruleset(["udp/5353", "tcp/4001", "udp/4000-4010", "udp/5353"])
    assert rules.count("udp dport 5353 accept") == 1
    assert "tcp dport 4001 accept" in rules
    assert "udp dport 4000-4010 accept" in rules


@pytest.mark.parametrize("port", ["5353", "udp/0", "tcp/70000", "sctp/1", "udp/1; accept", "udp/1-"])
def test_the_firewall_takes_ports_only(port: str) -> None:
    with pytest.raises(PluginError):
        ruleset([port])
