"""The configuration: files, variables and options, read into values that say where Plasm keeps things and what it does.

:class:`Config` is what every command needs, and costs next to nothing; :class:`NodeConfig` is all that can be
configured, and :func:`read` gives it as an :class:`EffectiveConfig`, which knows where each value comes from.
"""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.config.config import Config as Config
    from plasm.config.node_config import LogFormat as LogFormat
    from plasm.config.node_config import NodeConfig as NodeConfig
    from plasm.config.reading import EffectiveConfig as EffectiveConfig
    from plasm.config.reading import check_file as check_file
    from plasm.config.reading import read as read

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Config": "plasm.config.config",
        "LogFormat": "plasm.config.node_config",
        "NodeConfig": "plasm.config.node_config",
        "EffectiveConfig": "plasm.config.reading",
        "check_file": "plasm.config.reading",
        "read": "plasm.config.reading",
    },
)
