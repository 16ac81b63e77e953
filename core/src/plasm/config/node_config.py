"""Everything that can be configured.  This is the one place where a key is described: reading, schema, reference page
and the file that ``plasm init`` writes all come from here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, AttrsInstance, field, fields, frozen, has, resolve_types

from plasm.errors import InvalidInput
from plasm.model.limits import (
    MAX_FILE_BYTES,
    MAX_MEMORY_BYTES,
    MAX_MODULE_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_TIME_MS,
    WASM_PAGE_BYTES,
)
from plasm.model.peer_id import PeerId
from plasm.model.quantities import format_age, format_duration, format_size

FORMATS: Final[Mapping[str | None, Callable[[int], str]]] = {
    "size": format_size,
    "duration": format_duration,
    "age": format_age,
    None: str,
}

_DAY_MS: Final = 24 * 3_600_000
_A_PEER: Final = "/dns/example.org/tcp/4001/p2p/12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"
_A_PEER_ID: Final = "12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"


class LogFormat(StrEnum):
    """How a node writes its log: ``auto`` is text on a terminal, and else JSON."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def _text(doc: str, example: str, valid: Callable[[str], None] | None = None) -> Any:
    """A text that need not be there."""

    def validate(_: object, attribute: Attribute[Any], value: str | None) -> None:
        if value == "":
            raise InvalidInput("must not be empty")
        if value is not None and valid is not None:
            valid(value)

    return field(default=None, validator=validate, metadata={"doc": doc, "example": example})


def _texts(doc: str, example: list[str], valid: Callable[[str], object] | None = None) -> Any:
    """A list of texts, empty unless it is set."""

    def validate_each(text: str) -> None:
        if not text:
            raise InvalidInput("must not be empty")
        if valid is not None:
            valid(text)

    def validate(_: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
        for text in value:
            validate_each(text)

    return field(default=(), validator=validate, metadata={"doc": doc, "example": example, "each": validate_each})


def _number(doc: str, default: int | None, low: int, high: int, quantity: str | None = None, **more: object) -> Any:
    def validate(_: object, attribute: Attribute[Any], value: int | None) -> None:
        if value is not None and not low <= value <= high:
            show = FORMATS[quantity]
            raise InvalidInput(f"{show(value)} is out of range", hint=f"from {show(low)} to {show(high)}")

    metadata: dict[str, object] = {"doc": doc, "minimum": low, "maximum": high, **more}
    if quantity is not None:
        metadata["quantity"] = quantity
    return field(default=default, validator=validate, metadata=metadata)


def _address(text: str) -> None:
    if not text.startswith("/"):
        raise InvalidInput(f"{text!r:.80} is not a multiaddress", hint="write it like /ip4/0.0.0.0/udp/4001/quic-v1")


def _loopback(text: str) -> None:
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        loopback = ipaddress.ip_address(bare).is_loopback and (":" in bare) == (bare != host)
    except ValueError:
        loopback = False
    if not loopback or not (port.isascii() and port.isdigit() and int(port) < 2**16):
        raise InvalidInput(
            f"{text!r:.80} is not a loopback address and a port", hint="write it like 127.0.0.1:9464 or [::1]:9464"
        )


@frozen
class NodeTable:
    """How this machine is a node (`plasm start`)."""

    listen: tuple[str, ...] = _texts(
        "Multiaddresses to listen at; without any, those that the transport chooses.",
        ["/ip4/0.0.0.0/udp/4001/quic-v1"],
        _address,
    )
    workers: int | None = _number(
        "Jobs at once; without it, as many as the machine has processors.", None, 1, 1024, example=4
    )
    queue: int = _number("Jobs that may wait for a worker.", 64, 0, 10_000)
    runtimes: tuple[str, ...] = _texts(
        "Runtimes to offer to peers, by their plugins' names; without any, the one of `runtime`.",
        ["wasmtime", "wasmer"],
    )


@frozen
class PolicyTable:
    """What peers may have this node do.  A job that asks for more than a limit is refused, before it is sent.  A node
    that runs reads this table again on SIGHUP; jobs that run are not touched."""

    allow: tuple[str, ...] = _texts(
        "Take jobs of these peers only, by their peer ids; without any, everybody's.", [_A_PEER_ID], PeerId.parse
    )
    deny: tuple[str, ...] = _texts("Take no job of these peers, whatever `allow` says.", [_A_PEER_ID], PeerId.parse)
    jobs_per_peer: int = _number("Jobs of one peer at once.", 8, 1, 100_000)
    offers_per_minute: int = _number("Jobs that one peer may offer in a minute, taken or not.", 6000, 1, 1_000_000)
    memory: int = _number("Linear memory of a job.", 2**30, WASM_PAGE_BYTES, MAX_MEMORY_BYTES, "size")
    wall_time: int = _number("Time from a job's start to its end.", 3_600_000, 1, MAX_TIME_MS, "duration")
    output: int = _number("What a job writes to stdout and stderr together.", 2**30, 0, MAX_OUTPUT_BYTES, "size")
    files: int = _number("What a job writes to files.", 2**30, 0, MAX_FILE_BYTES, "size")
    module_bytes: int = _number("Size of a module.", MAX_MODULE_BYTES, 8, MAX_MODULE_BYTES, "size")
    stdin_bytes: int = _number("Size of a job's input.", 2**30, 0, 2**40, "size")


@frozen
class ControlTable:
    """Who else on this machine may use the node."""

    group: str | None = _text(
        "Group whose members may have jobs run over the control socket and see the status, nothing else; without it, "
        "the socket is for the node's own user only.  The node's user has to be a member.",
        "plasm",
    )


@frozen
class StoreTable:
    """How long a node keeps what it knows of jobs that have ended, and their receipts."""

    keep_age: int = _number("Forget jobs, receipts and peers that are older.", 90 * _DAY_MS, 0, 36_500 * _DAY_MS, "age")
    keep_size: int = _number(
        "Forget the oldest receipts when all of them are larger together.", 2**30, 0, 2**50, "size"
    )


@frozen
class MetricsTable:
    """Metrics for Prometheus."""

    listen: str | None = _text(
        "Loopback address and port to serve them at; without it they are not served.", "127.0.0.1:9464", _loopback
    )


@frozen
class LogTable:
    """What a node tells on stderr."""

    format: LogFormat = field(
        default=LogFormat.AUTO, metadata={"doc": "auto, json or text; auto is text on a terminal and JSON elsewhere."}
    )


@frozen
class NodeConfig:
    """The configuration of Plasm on one machine; every key may be left out.

    The tables are for ``plasm start``; the keys beside them hold for every command, and :class:`~plasm.config.Config`
    has them too.
    """

    runtime: str | None = _text(
        "Runtime to run jobs with, by its plugin's name; without it, the preferred one that is installed.", "wasmtime"
    )
    signer: str | None = _text(
        "Signer of receipts, by its plugin's name; without it, the preferred one that is installed.", "ed25519"
    )
    transport: str | None = _text(
        "Transport to peers, by its plugin's name; without it, the preferred one that is installed.", "quic"
    )
    discoveries: tuple[str, ...] = _texts(
        "Ways to find peers and be found, by their plugins' names, or none; without any, the preferred one, which "
        "depends on whether bootstrap is set.",
        ["mdns", "dht"],
    )
    bootstrap: tuple[str, ...] = _texts("Peers to begin with.", [_A_PEER], PeerId.of_address)
    disable_plugins: tuple[str, ...] = _texts("Plugins to turn off, as NAME or KIND:NAME.", ["runtime:wasmer"])
    node: NodeTable = field(factory=NodeTable, metadata={"doc": "How this machine is a node."})
    policy: PolicyTable = field(factory=PolicyTable, metadata={"doc": "What peers may have it do."})
    control: ControlTable = field(factory=ControlTable, metadata={"doc": "Who else on this machine may use the node."})
    store: StoreTable = field(factory=StoreTable, metadata={"doc": "What it keeps."})
    metrics: MetricsTable = field(factory=MetricsTable, metadata={"doc": "What it measures."})
    log: LogTable = field(factory=LogTable, metadata={"doc": "What it tells."})


def leaves(cls: type[AttrsInstance] = NodeConfig, prefix: str = "") -> Iterator[tuple[str, Attribute[Any]]]:
    """Every key that can be set, as in ``node.workers``, with what is said of it."""
    for attribute in fields(resolve_types(cls)):
        if isinstance(attribute.type, type) and has(attribute.type):
            yield from leaves(attribute.type, f"{prefix}{attribute.name}.")
        else:
            yield prefix + attribute.name, attribute
