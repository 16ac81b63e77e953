"""The ``plasm`` command itself: global options, the table of commands, and the one place where errors are shown."""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

import plasm
from plasm.errors import ExitStatus, InternalError, InvalidInput, PlasmError, PluginError, UnwritableOutput
from plasm.execution.parent.spawn import Spawned
from plasm.ops.console import show_error, warn

if TYPE_CHECKING:
    from plasm.plugins import PluginEntry, PluginHost
    from plasm.plugins.loading import Plugin

COMMANDS: Final = {
    "run": "plasm.cli.commands.run",
    "submit": "plasm.cli.commands.submit",
    "start": "plasm.cli.commands.start",
    "peers": "plasm.cli.commands.peers",
    "status": "plasm.cli.commands.status",
    "jobs": "plasm.cli.commands.jobs",
    "receipts": "plasm.cli.commands.receipts",
    "drain": "plasm.cli.commands.drain",
    "verify": "plasm.cli.commands.verify",
    "identity": "plasm.cli.commands.identity",
    "plugins": "plasm.cli.commands.plugins",
    "schema": "plasm.cli.commands.schema",
    "init": "plasm.cli.commands.init",
    "config": "plasm.cli.commands.config",
}

_EXAMPLES: Final = """\b
Examples:
  plasm run hello.wasm "Hello, World"              run a job on this machine
  plasm run job.wasm --receipt job.receipt.json    and keep a signed receipt
  plasm verify job.receipt.json --module job.wasm  check what it claims
  plasm start                                      offer this machine to peers
  plasm submit hello.wasm "Hello, World"           run a job on a peer
  plasm COMMAND --help                             more about a command
"""


class Session:
    """What the options before the command chose, the worker that may be under way, and the plugins of this process.
    ``command_of`` is the extension whose command is run."""

    def __init__(self, started: Spawned | None) -> None:
        self.runtime: str | None = None
        self.signer: str | None = None
        self.started = started
        self.command_of: PluginEntry | None = None

    @cached_property
    def host(self) -> "PluginHost":
        """The plugins, under the configuration of this process's environment.

        Raises:
            InvalidConfig, UnreadableInput: the configuration is wrong.
        """
        from plasm.plugins import PluginHost

        return PluginHost.from_environment()

    def begin_with(self, peers: Sequence[str]) -> "PluginHost":
        """The plugins, for which these are peers to begin with, besides those of the configuration.

        Raises:
            InvalidInput: the address of such a peer cannot be used.
        """
        from plasm.plugins import PluginHost

        config = self.host.config.with_bootstrap(peers)
        if config != self.host.config:
            self.host = PluginHost(config)
        return self.host


class CommandTable(TyperGroup):
    """The commands of :data:`COMMANDS`, each imported when it is asked for, and those of extensions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: dict[str, Any] = {**dict.fromkeys(COMMANDS), **self.commands}
        self._added_by: dict[str, PluginEntry] | None = None

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The command called ``cmd_name``, or ``None``."""
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
            command.name = cmd_name
            self.commands[cmd_name] = command
        if cmd_name not in self.commands:
            self._add_extensions(ctx.obj)
        return self.commands.get(cmd_name)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Every command, ours first."""
        self._add_extensions(ctx.obj)
        return list(self.commands)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that ``args`` begin with."""
        resolved = super().resolve_command(ctx, args)
        ctx.obj.command_of = (self._added_by or {}).get(str(resolved[0]))
        return resolved

    def _add_extensions(self, session: Session) -> None:
        """Add the commands of each extension.  Help has to be had while the configuration or one of them is wrong."""
        if self._added_by is not None:
            return
        self._added_by = {}
        from plasm.plugins import PluginKind

        try:
            entries = session.host.usable(PluginKind.EXTENSION)
        except InvalidInput as error:
            warn(error)
            return
        for entry in entries:
            try:
                added = commands_of(session.host.load(entry))
            except PluginError as error:
                warn(error)
                continue
            for name, command in added.items():
                if name not in self.commands:
                    self.commands[name], self._added_by[name] = command, entry


def commands_of(plugin: "Plugin") -> dict[str, Any]:
    """The commands that an extension adds, by name.

    Raises:
        PluginError: it fails to add them.
    """
    from plasm.plugins.loading import blame, is_interrupt

    extra = typer.Typer(add_completion=False, rich_markup_mode=None)
    extra.callback()(lambda: None)
    try:
        plugin.call("plasm_cli", app=extra)
        return dict(typer.main.get_group(extra).commands)  # typer looks at the functions only now
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise blame(plugin.entry, "failed in plasm_cli", error) from error


app = typer.Typer(
    cls=CommandTable,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plasm {plasm.__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    runtime: Annotated[str | None, typer.Option(help="Runtime plugin to run jobs with.", metavar="NAME")] = None,
    signer: Annotated[str | None, typer.Option(help="Signing plugin to sign receipts with.", metavar="NAME")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Run WebAssembly jobs in a sandbox and hold signed receipts of what ran."""
    session: Session = ctx.obj
    session.runtime, session.signer = runtime, signer


def main(arguments: Sequence[str], started: Spawned | None = None) -> int:
    """Run the command line; returns the exit status, with everything written out."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in ours
    session = Session(started)
    status: int
    try:
        returned = app(list(arguments), prog_name="plasm", standalone_mode=False, obj=session)
        status = returned if isinstance(returned, int) else ExitStatus.OK
    except PlasmError as error:
        status = show_error(error, as_json=as_json)
    except typer.TyperException as error:
        if type(error).__name__ == _NO_ARGUMENTS:
            with contextlib.suppress(OSError):
                typer.echo(error.format_message(), err=True)
            status = ExitStatus.FAILED
        else:
            status = show_error(_usage_error(error), as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        status = ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return ExitStatus.OUTPUT_CLOSED
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # what typer makes of it
            return ExitStatus.OUTPUT_CLOSED
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            return show_error(_unwritable(error), as_json=as_json)
        if session.command_of is None and (not isinstance(error, Exception) or os.environ.get("PLASM_DEBUG")):
            raise
        status = show_error(_unexpected(error, session.command_of), as_json=as_json)
    return _flush(status)


def _flush(status: int) -> int:
    """Write out what has been printed; returns the exit status of a command that came to ``status``."""
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return ExitStatus.OUTPUT_CLOSED
    except OSError as error:
        return show_error(_unwritable(error), as_json=False)
    return status


# How writing fails where nobody has made a mistake: the disk, the quota or the device says no.
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def _unwritable(error: OSError) -> PlasmError:
    return UnwritableOutput(f"the output cannot be written: {error.strerror}")


# A command whose subcommand is missing; its message is the help.  The class is of typer's private part.
_NO_ARGUMENTS: Final = "NoArgsIsHelpError"


def _unexpected(error: BaseException, command_of: "PluginEntry | None") -> PlasmError:
    """What is shown of a mistake of our own, or of the extension's whose command was run."""
    if command_of is not None:
        from plasm.plugins.loading import blame

        return blame(command_of, "failed in its command", error)
    return InternalError(
        f"{type(error).__name__}: {error}", hint="a mistake in Plasm; PLASM_DEBUG=1 shows where, please report it"
    )


def _usage_error(error: typer.TyperException) -> InvalidInput:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "plasm"
    hint = f"see: {command} --help"
    if message.startswith("No such option") and command == "plasm run":
        hint = "what is meant for the job comes after --, as in: plasm run job.wasm -- --its-option"
    return InvalidInput(message[:1].lower() + message[1:], hint=hint)
