"""The contract of a boot mode as tests: that what :class:`plasm.contracts.BootMode` says can be built and booted.

A mode does nothing, it says something; so this looks at whether what it says makes sense.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from plasm.contracts import BootMode
from plasm.plugins import PluginHost, PluginKind

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_ARGUMENT: Final = re.compile(r"[!-~]{1,256}", re.ASCII)
_CHOSEN: Final = {PluginKind.RUNTIME, PluginKind.DISCOVERY, PluginKind.TRANSPORT, PluginKind.SIGNING}
_MAX_TITLE: Final = 40
_OURS: Final = "phase."


class BootModeContract:
    """What every boot mode must say.  A subclass names the plugin as ``boot_mode``; pytest runs it."""

    boot_mode: ClassVar[str]

    def test_its_name_is_the_one_that_people_type(self) -> None:
        """The mode has the name of its entry point, of lower-case letters, digits, '-', '_' and '.'."""
        assert self._mode.name == self.boot_mode
        assert _NAME.fullmatch(self._mode.name)

    def test_its_title_fits_into_a_menu(self) -> None:
        """The title is one line of printable text of at most 40 characters."""
        title = self._mode.title
        assert 0 < len(title) <= _MAX_TITLE
        assert title.isprintable()
        assert title.strip() == title

    def test_it_chooses_plugins_of_kinds_that_nodes_have(self) -> None:
        """The mode chooses runtimes, discoveries, transports and signers, at least one runtime and one signer."""
        assert set(self._mode.plugins) <= {kind.value for kind in _CHOSEN}
        assert self._mode.plugins.get("runtime")
        assert self._mode.plugins.get("signing")

    def test_the_plugins_that_it_chooses_are_installed(self) -> None:
        """Whoever installs the mode's distribution has the plugins that it chooses."""
        host = self._host()
        for kind, names in self._mode.plugins.items():
            for name in names:
                assert host.select(PluginKind(kind), name).name == name

    def test_without_a_network_it_finds_nobody(self) -> None:
        """A mode without a network chooses neither discovery nor transport, and one that discovers has a network."""
        if self._mode.policy.network_scope == "none":
            assert not self._mode.plugins.get("discovery")
            assert not self._mode.plugins.get("transport")

    def test_what_it_keeps_can_be_written(self) -> None:
        """A mode that writes nothing keeps neither an identity nor a cache."""
        policy = self._mode.policy
        assert policy.writes or not (policy.persistent_identity or policy.cache)

    def test_its_kernel_arguments_are_arguments(self) -> None:
        """Kernel arguments are ASCII without blanks, and none is of those that Phase Boot keeps for itself."""
        for argument in self._mode.kernel_arguments:
            assert _ARGUMENT.fullmatch(argument), argument
            assert not argument.startswith(_OURS), argument

    def test_it_says_the_same_each_time(self) -> None:
        """Asked again, the mode says the same: what was built is what was chosen."""
        assert self._host().boot_mode(self.boot_mode) == self._host().boot_mode(self.boot_mode)

    @property
    def _mode(self) -> BootMode:
        return self._host().boot_mode(self.boot_mode)

    @staticmethod
    def _host() -> PluginHost:
        return PluginHost.from_environment()
