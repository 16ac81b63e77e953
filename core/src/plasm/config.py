"""Where Plasm keeps things and which plugins it prefers, read from the environment.

Folders follow the XDG Base Directory specification; ``PLASM_HOME`` puts all four below one folder instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Config:
    """One reading of the configuration.

    ``runtime`` and ``signer`` are plugin names, or ``None`` for the default.  ``disabled_plugins`` holds names, or
    ``kind:name`` where one name serves several kinds.  ``bootstrap`` are multiaddresses of peers to begin with.
    """

    config_dir: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path
    runtime: str | None = None
    signer: str | None = None
    disabled_plugins: frozenset[str] = frozenset()
    bootstrap: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Config:
        """The configuration that ``environ`` describes."""
        disabled = environ.get("PLASM_DISABLE_PLUGINS", "").replace(",", " ").split()
        return cls(
            config_dir=_folder(environ, "CONFIG", ".config"),
            data_dir=_folder(environ, "DATA", ".local/share"),
            state_dir=_folder(environ, "STATE", ".local/state"),
            cache_dir=_folder(environ, "CACHE", ".cache"),
            runtime=environ.get("PLASM_RUNTIME") or None,
            signer=environ.get("PLASM_SIGNER") or None,
            disabled_plugins=frozenset(disabled),
            bootstrap=tuple(environ.get("PLASM_BOOTSTRAP", "").replace(",", " ").split()),
        )


def _folder(environ: Mapping[str, str], kind: str, default: str) -> Path:
    if home := environ.get("PLASM_HOME"):
        return Path(home).absolute() / kind.lower()
    base = environ.get(f"XDG_{kind}_HOME", "")
    # The specification: a relative path is invalid and is to be ignored.
    return (Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / default) / "plasm"
