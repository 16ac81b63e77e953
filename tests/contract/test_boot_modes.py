"""Our boot modes fulfil the contract of boot modes, and the contract sees what is wrong with others."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from plasm.errors import PluginNotFound
from plasm.testing import BootModeContract

if find_spec("plasm_boot") is None:
    pytest.skip("plasm-plugin-boot is not installed", allow_module_level=True)


class TestInternet(BootModeContract):
    boot_mode = "internet"


class TestLocal(BootModeContract):
    boot_mode = "local"


class TestPrivate(BootModeContract):
    boot_mode = "private"


SOURCE = """
import itertools
from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1
VISITS = itertools.count()

@hookimpl
def plasm_boot_mode():
    said = dict(
        name="odd",
        title="Odd",
        plugins={"runtime": ("wasmtime",), "signing": ("ed25519",)},
        policy=BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="none"),
        kernel_arguments=("quiet",),
    )
    return BootMode(**said | dict(%s))
"""


# A module that was imported stays imported: each test has one of its own.
NUMBERS = itertools.count()


class OddContract(BootModeContract):
    boot_mode = "odd"


@pytest.mark.parametrize(
    ("wrong", "behaviour"),
    [
        ("name='other'", "its_name_is_the_one_that_people_type"),
        ("title='two' + chr(10) + 'lines'", "its_title_fits_into_a_menu"),
        ("plugins={'runtime': ('wasmtime',)}", "it_chooses_plugins_of_kinds_that_nodes_have"),
        ("plugins={'runtime': ('none-such',), 'signing': ('ed25519',)}", "the_plugins_that_it_chooses_are_installed"),
        ("plugins={'runtime': ('wasmtime',), 'discovery': ('mdns',)}", "without_a_network_it_finds_nobody"),
        ("policy=BootPolicy(True, False, False, 'lan')", "what_it_keeps_can_be_written"),
        ("kernel_arguments=('phase.provider=http://example.org/',)", "its_kernel_arguments_are_arguments"),
        ("kernel_arguments=(f'visit={next(VISITS)}',)", "it_says_the_same_each_time"),
    ],
)
def test_what_is_wrong_with_a_mode_is_seen(plugin: Callable[..., None], wrong: str, behaviour: str) -> None:
    plugin("plasm.boot_mode", "odd", SOURCE % wrong, f"plasm-plugin-{next(NUMBERS)}")
    with pytest.raises((AssertionError, PluginNotFound)):
        getattr(OddContract(), f"test_{behaviour}")()


def test_a_mode_of_somebody_elses_fulfils_it(plugin: Callable[..., None]) -> None:
    plugin("plasm.boot_mode", "odd", SOURCE % "", f"plasm-plugin-{next(NUMBERS)}")
    tests = [name for name in dir(OddContract) if name.startswith("test_")]
    assert len(tests) == 8
    for name in tests:
        getattr(OddContract(), name)()
