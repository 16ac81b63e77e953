"""The configuration for people and their editors: a commented file, a reference page, a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

import attrs

from plasm.config.node_config import FORMATS, NodeConfig, leaves
from plasm.config.sources import variable
from plasm.model.schema import DIALECT, schema_of

_PAGE: Final = """\
# Configuration

<!-- Made by `make reference` from core/src/plasm/config/; edit the descriptions there. -->

Plasm works without any. What it takes, each over the one before, key by key:

1. `/etc/plasm/config.toml`
2. `$XDG_CONFIG_HOME/plasm/config.toml`, by default `~/.config/plasm/config.toml`; where `PLASM_HOME` is set,
   `$PLASM_HOME/config/config.toml`
3. variables, as in `PLASM_NODE_WORKERS=4`; lists are parted by commas or spaces, and an empty one counts as not set
4. options of the command

`PLASM_CONFIG=FILE` reads that file instead of the two. A list replaces a list, it is not added to it (but peers of
`--bootstrap` are added). A file that everybody may write is refused, for it decides what this machine runs.

```console
$ plasm init                        # write a commented file, unless there is one; --system: the one below /etc
$ plasm config check FILE           # every unknown key and wrong value is told with line and column
$ plasm config show --origin        # every value, and where it comes from
$ plasm schema config               # JSON Schema, for editors
```

Sizes take B, kB, MB, GB, KiB, MiB, GiB; durations ms, s, m, h, and ages d too; bare numbers are bytes and milliseconds.

The keys before the first table hold for every command. `plasm run` and other commands that are no node read no
further, so that a mistake in a table stops the node only.
"""


def schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file."""
    return {
        "$schema": DIALECT,
        "$id": "https://plasm.dev/schema/config/v1",
        "title": "Plasm configuration",
        **_without_null(schema_of(NodeConfig)),
    }


def page() -> str:
    """``docs/configuration.md``."""
    parts = [_PAGE]
    for table, doc, keys in _tables():
        parts.append(f"\n## {f'`[{table}]`' if table else 'For every command'}\n")
        if table:
            parts.append(f"\n{doc}\n")
        parts.append("\n| key | value | default | meaning |\n|---|---|---|---|\n")
        for key, attribute in keys:
            default = f"`{literal(attribute, attribute.default)}`" if _has_default(attribute) else ""
            parts.append(
                f"| `{key.rpartition('.')[2]}` | {_kind(attribute)} | {default} | {attribute.metadata['doc']} |\n"
            )
        example = f"{keys[0][0].rpartition('.')[2]} = {literal(keys[0][1], _example(keys[0][1]))}"
        parts.append(f"\nFor example `{example}`, or `{variable(keys[0][0])}={_as_variable(keys[0][1])}`.\n")
    return "".join(parts)


def default_file() -> str:
    """A configuration file that changes nothing: every key with its description, commented out."""
    lines = ["# The configuration of Plasm.  Every key is optional; take the # away before one to set it.", "#"]
    lines += [
        "#   plasm config check FILE       whether it is right",
        "#   plasm config show --origin    what is in force",
    ]
    for table, doc, keys in _tables():
        lines.append("")
        if table:
            lines += [*_comment(doc), f"[{table}]"]
        else:
            lines += _comment("These hold for every command.  Keep them above the first table.")
        for key, attribute in keys:
            value = attribute.default if _has_default(attribute) else _example(attribute)
            lines += ["", *_comment(attribute.metadata["doc"])]
            lines.append(f"#{key.rpartition('.')[2]} = {literal(attribute, value)}")
    return "\n".join(lines) + "\n"


def literal(attribute: attrs.Attribute[Any], value: Any) -> str:
    """``value`` of a key as TOML, quantities with their unit; what is not set is nothing."""
    if value is None:
        return ""
    if isinstance(value, int):
        quantity = attribute.metadata.get("quantity")
        return f'"{FORMATS[quantity](value)}"' if quantity else str(value)
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(literal(attribute, each) for each in value) + "]"


def _tables() -> Iterator[tuple[str, str, list[tuple[str, attrs.Attribute[Any]]]]]:
    """The tables in their order, first what is in none."""
    keys = list(leaves())
    yield "", "", [(key, attribute) for key, attribute in keys if "." not in key]
    for field in attrs.fields(NodeConfig):
        if isinstance(field.type, type) and attrs.has(field.type):
            within = [(key, attribute) for key, attribute in keys if key.startswith(f"{field.name}.")]
            yield field.name, " ".join((field.type.__doc__ or "").split()), within


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text.replace("`", ""), 98)]


def _has_default(attribute: attrs.Attribute[Any]) -> bool:
    return attribute.default not in (None, ())


def _example(attribute: attrs.Attribute[Any]) -> Any:
    return attribute.metadata.get("example", attribute.default)


def _as_variable(attribute: attrs.Attribute[Any]) -> str:
    example = _example(attribute)
    if isinstance(example, list):
        return ",".join(example)
    return literal(attribute, example).strip('"')


def _kind(attribute: attrs.Attribute[Any]) -> str:
    quantity = attribute.metadata.get("quantity")
    if "minimum" in attribute.metadata:
        show = FORMATS[quantity]
        low, high = show(attribute.metadata["minimum"]), show(attribute.metadata["maximum"])
        return f"{quantity or 'number'}, {low} to {high}"
    return "list of texts" if attribute.type == tuple[str, ...] else "text"


def _without_null(schema: Any) -> Any:
    """``schema`` as TOML can keep to it: it has no null, and a key that is not set is not there."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_null(each) for key, each in schema.items() if not (key == "default" and each is None)}
