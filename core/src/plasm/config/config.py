"""What every command needs to know: where Plasm keeps things, and which plugins and peers it prefers.

Folders follow the XDG Base Directory specification; ``PLASM_HOME`` puts all of them below one folder instead.

The keys before a file's first table are read on the way into every job, by the command and by its worker.  So this
module imports nothing new until a file sets one of them in an unusual way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from plasm.config import sources

TEXT_KEYS: Final = ("runtime", "signer", "transport")
LIST_KEYS: Final = ("disable_plugins", "discoveries", "bootstrap")


@frozen
class Config:
    """What is configured for every command.

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
        said = _keys_before_tables(environ)
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

    def with_bootstrap(self, addresses: Iterable[str]) -> Config:
        """The same configuration, with more peers to begin with.

        Args:
            addresses: multiaddresses that end in ``/p2p/`` and a peer id.

        Raises:
            InvalidInput: one of these, or of those that it has already, is not the address of a peer.
        """
        from plasm.model import PeerId  # its library is more than most commands need

        bootstrap = (*self.bootstrap, *addresses)
        for address in bootstrap:
            PeerId.of_address(address)
        return evolve(self, bootstrap=bootstrap)


def _runtime_folder(environ: Mapping[str, str], state_dir: Path) -> Path:
    if home := environ.get("PLASM_HOME"):
        return Path(home).absolute() / "run"
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / "plasm" if base.startswith("/") else state_dir / "run"


def _text(environ: Mapping[str, str], said: Mapping[str, Any], key: str) -> str | None:
    return environ.get(sources.variable(key)) or said.get(key)


def _list(environ: Mapping[str, str], said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(sources.split(environ.get(sources.variable(key), "")) or said.get(key, ()))


def _keys_before_tables(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the files set before their first table, the later file's over the earlier one's."""
    said: dict[str, Any] = {}
    for path, text in sources.files(environ):
        said |= _before_first_table(path, text)
    return said


def _before_first_table(path: Path, text: str) -> dict[str, Any]:
    head, statements = [], []
    for line in text.split("\n"):
        begin = line.strip(" \t\r")
        if begin.startswith("["):
            break
        head.append(line)
        if begin and not begin.startswith("#"):
            statements.append(begin)
    if not statements:
        return {}
    said = _plainly(statements) or _as_toml("\n".join(head))
    if said and all(_as_it_should_be(key, value) for key, value in said.items()):
        return said
    # Something is wrong, or written in an unusual way: reading all of it with care tells.
    from plasm.config.reading import parse

    everything = parse(path, text).data
    return {key: everything[key] for key in (*TEXT_KEYS, *LIST_KEYS) if key in everything}


def _plainly(statements: Sequence[str]) -> dict[str, Any]:
    """What ``statements`` say where each is a key and a value that JSON would write in the same way; else nothing.

    Most are, and json is loaded already, while loading tomllib takes longer than all the rest of this module.
    """
    import json

    said: dict[str, Any] = {}
    for statement in statements:
        key, _, value = statement.partition("=")
        key = key.rstrip(" \t")
        if key in said or "\\" in value or not value.isprintable():
            return {}
        try:
            said[key] = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return said


def _as_toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _as_it_should_be(key: str, value: Any) -> bool:
    if key in TEXT_KEYS:
        return isinstance(value, str) and bool(value)
    return key in LIST_KEYS and isinstance(value, list) and all(isinstance(each, str) and each for each in value)
