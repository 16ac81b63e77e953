"""The options that describe a job, and what they mean: what ``run`` and ``submit`` share."""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from attrs import evolve

from plasm.artifacts.modules import Module, read_module
from plasm.errors import InvalidInput, UnreadableInput
from plasm.jobs.job import Job
from plasm.model import Invocation, Limits, Manifest, Mount, Preopen, Sha256
from plasm.model.quantities import format_duration, format_size, parse_duration, parse_size

_DEFAULTS: Final = Limits()

ModulePath = Annotated[
    Path, typer.Argument(metavar="MODULE", help="The job's WebAssembly module, a WASI preview 1 command.")
]
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="The job's arguments.")]
Stdin = Annotated[Path | None, typer.Option(help="Give the job this file instead of our own stdin.")]
Env = Annotated[
    list[str] | None, typer.Option("--env", help="Set a variable for the job; it inherits none.", metavar="NAME=VALUE")
]
Folders = Annotated[
    list[str] | None, typer.Option("--dir", help="Let the job see a folder.", metavar="HOST:GUEST[:ro]")
]
Memory = Annotated[str | None, typer.Option(help=f"Memory at most [{format_size(_DEFAULTS.memory)}].", metavar="SIZE")]
Fuel = Annotated[int | None, typer.Option(help="Units of work at most [no limit].", metavar="N")]
Timeout = Annotated[
    str | None, typer.Option(help=f"Time at most [{format_duration(_DEFAULTS.wall_time)}].", metavar="TIME")
]
CpuTime = Annotated[
    str | None, typer.Option(help="Processor time of all its threads at most [no limit].", metavar="TIME")
]
OutputLimit = Annotated[
    str | None, typer.Option(help=f"Output at most [{format_size(_DEFAULTS.output)}].", metavar="SIZE")
]
FileLimit = Annotated[
    str | None, typer.Option(help=f"Written to files at most [{format_size(_DEFAULTS.files)}].", metavar="SIZE")
]
ManifestPath = Annotated[Path | None, typer.Option(help="Read the job's manifest (.toml or .json).")]
ReceiptPath = Annotated[Path | None, typer.Option(help="Write the signed receipt to this file.")]
ReceiptFormat = Annotated[Literal["v1", "0.1"], typer.Option(help="Form of the receipt.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of our own on stderr.")]
RuntimeName = Annotated[str | None, typer.Option(help="Runtime plugin to use.", metavar="NAME")]
SignerName = Annotated[str | None, typer.Option(help="Signing plugin to use.", metavar="NAME")]


def read_job(
    module: Path,
    args: list[str] | None,
    env: list[str] | None,
    folders: list[str] | None,
    manifest: Path | None,
    limits: dict[str, int | None],
) -> Job:
    """The job in the file ``module``, with what the command line says put over the manifest in the file ``manifest``.

    Raises:
        InvalidInput: something that cannot be used; the message names it.
    """
    loaded = read_module(module)
    asked = _manifest(loaded, manifest, args, env, limits)
    preopens = tuple(sorted(map(_parse_dir, folders or []), key=lambda preopen: preopen.mount.guest))
    return Job(asked.bind(preopens), loaded, preopens)


def read_limits(
    memory: str | None,
    fuel: int | None,
    timeout: str | None,
    cpu_time: str | None,
    output_limit: str | None,
    file_limit: str | None,
) -> dict[str, int | None]:
    """The limits that were given, by the names of the fields of :class:`~plasm.model.Limits`.

    Raises:
        InvalidInput: not a quantity; the message names the option.
    """
    return {
        "memory": quantity("--memory", memory, parse_size),
        "fuel": fuel,
        "wall_time": quantity("--timeout", timeout, parse_duration),
        "cpu_time": quantity("--cpu-time", cpu_time, parse_duration),
        "output": quantity("--output-limit", output_limit, parse_size),
        "files": quantity("--file-limit", file_limit, parse_size),
    }


def _manifest(
    module: Module,
    path: Path | None,
    args: list[str] | None,
    env: list[str] | None,
    limits: dict[str, int | None],
) -> Manifest:
    """The manifest in the file at ``path``, or a default one, with what the command line says put over it."""
    manifest = Manifest(module.digest) if path is None else _load_manifest(path, module.digest)
    invocation = manifest.invocation
    return evolve(
        manifest,
        invocation=Invocation(
            args or invocation.args, {**invocation.env, **dict(map(_parse_env, env or []))}, invocation.mounts
        ),
        limits=evolve(manifest.limits, **{name: value for name, value in limits.items() if value is not None}),
    )


def _load_manifest(path: Path, module: Sha256) -> Manifest:
    """The manifest in the file at ``path``, TOML or JSON by its ending; ``module`` stands in where it names none.

    Raises:
        UnreadableInput: no such file, a folder, or no permission.
        InvalidManifest: it is not one; the message has the path.
    """
    from plasm.model.documents import MAX_MANIFEST_BYTES, manifest_from_json, manifest_from_toml

    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give --manifest a file") from None
    parse = manifest_from_json if path.suffix == ".json" else manifest_from_toml
    return parse(data, module, source=str(path))


def quantity(option: str, text: str | None, parse: Callable[[str], int]) -> int | None:
    """The value of an option that may not have been given.

    Raises:
        InvalidInput: not what ``parse`` reads; the message names the option.
    """
    try:
        return None if text is None else parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {error.message}", hint=error.hint) from None


def _parse_env(text: str) -> tuple[str, str]:
    """``NAME=VALUE``.

    Raises:
        InvalidInput: no ``=``.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidInput(f"--env {text!r} has no value", hint=f"write --env {text}=VALUE")
    return name, value


def _parse_dir(text: str) -> Preopen:
    """``HOST:GUEST`` or ``HOST:GUEST:ro``; the host folder must be there.

    Raises:
        InvalidInput: no guest path.
        UnreadableInput: no such folder.
    """
    paths = text.removesuffix(":ro")
    host, separator, guest = paths.rpartition(":")
    if not separator or not host:
        raise InvalidInput(f"--dir {text!r} names no guest path", hint=f"write --dir {text}:/data or {text}:/data:ro")
    mount = Mount(guest, read_only=paths != text)
    path = os.path.abspath(host)
    if not os.path.isdir(path):
        raise UnreadableInput(f"there is no folder {host}", hint=f"it was asked for by --dir {text}")
    return Preopen(path, mount)


def open_stdin(stack: ExitStack, path: Path | None) -> int | None:
    """A descriptor of the file at ``path``, closed with ``stack``; without a path, or for ``-``, our own stdin.

    Raises:
        UnreadableInput: it cannot be opened, or is a folder.
    """
    if path is None or str(path) == "-":
        try:
            os.fstat(0)
        except OSError:
            return None
        return 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give --stdin a file") from None
    stack.callback(os.close, descriptor)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise UnreadableInput(f"{path} is a folder", hint="give --stdin a file")
    return descriptor
