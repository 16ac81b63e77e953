"""The plugin host: finds plugins by their metadata, loads the chosen one, and says why another cannot be used."""

from plasm.plugins.host import PluginHost
from plasm.plugins.index import PluginEntry, PluginKind, installed_plugins

__all__ = ["PluginEntry", "PluginHost", "PluginKind", "installed_plugins"]
