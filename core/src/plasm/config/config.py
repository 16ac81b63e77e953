"""What every command needs to know: where Plasm keeps things, and which plugins and peers it prefers.

Folders follow the XDG Base Directory specification; ``PLASM_HOME`` puts all of them below one folder instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from plasm.config import sources


@frozen
class Config:
    """One reading of the configuration.

    ``runtime``, ``signer`` and ``transport`` are plugin names, or ``None`` for the default, and ``discoveries`` are
    such names, none for the usual ones.  ``disabled_plugins`` holds names, or ``kind:name`` where one name serves
    several kinds.  ``bootstrap`` are multiaddresses of peers to begin with.
    """

    config_dir: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path
    runtime_dir: Path
    runtime: str | None = None
    signer: str | None = None
    disabled_plugins: frozenset[str] = frozenset()
    bootstrap: tuple[str, ...] = ()
    transport: str | None = None
    discoveries: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Config:
        """The configuration that ``environ`` describes, and the files that it leads to.

        Raises:
            InvalidConfig: a file that is not one.
            UnreadableInput: a file that is there and cannot be read.
        """
        state_dir = sources.folder(environ, "STATE", ".local/state")
        said = sources.everyday_settings(environ)
        return cls(
            config_dir=sources.config_folder(environ),
            data_dir=sources.folder(environ, "DATA", ".local/share"),
            state_dir=state_dir,
            cache_dir=sources.folder(environ, "CACHE", ".cache"),
            runtime_dir=_runtime_folder(environ, state_dir),
            runtime=_text(environ, said, "runtime"),
            signer=_text(environ, said, "signer"),
            disabled_plugins=frozenset(_list(environ, said, "disable_plugins")),
            bootstrap=_list(environ, said, "bootstrap"),
            transport=_text(environ, said, "transport"),
            discoveries=_list(environ, said, "discoveries"),
        )


def _runtime_folder(environ: Mapping[str, str], state_dir: Path) -> Path:
    if home := environ.get("PLASM_HOME"):
        return Path(home).absolute() / "run"
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / "plasm" if base.startswith("/") else state_dir / "run"


def _text(environ: Mapping[str, str], said: Mapping[str, Any], key: str) -> str | None:
    return environ.get(sources.variable(key)) or said.get(key)


def _list(environ: Mapping[str, str], said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(sources.split(environ.get(sources.variable(key), "")) or said.get(key, ()))
