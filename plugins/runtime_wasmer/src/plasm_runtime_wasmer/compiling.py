"""From a stranger's bytes to a package that can be run, or to the reason why not."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from wasmer_sdk import NetworkPolicy, Package, PackageCommandDefinition, PackageDefinition, Wasmer, WasmerError

from plasm.errors import InvalidModule, PluginError
from plasm_runtime_wasmer.adapting import Adapted, adapt
from plasm_runtime_wasmer.binary import malformed
from plasm_runtime_wasmer.command import check_command
from plasm_runtime_wasmer.sdk import finish
from plasm_runtime_wasmer.sections import read
from plasm_runtime_wasmer.wasi import check_imports

REVISION = 1
"""To be raised with every change in how modules are adapted."""

PROGRAM_NAME = "job.wasm"
"""A guest's ``argv[0]``: the same on every machine, whatever the module's file was called."""

PANIC = "TASK_ERROR"
"""The SDK's code for its own mistakes."""

_ARTIFACT = struct.Struct("<12sBxxxq")
_MAGIC = b"plasm-wasmer"
_NO_FUNCTION = -1
_WHERE = re.compile(r" \(at offset 0x[0-9a-f]+\)")
_WHY = re.compile(r'compile error: (?:Validate\("(?P<invalid>.*)"\)|(?P<other>.*))$', re.DOTALL)
_NO_ARGUMENT, _STOPPED = "\0", "argument contains null byte"


class Compiled(NamedTuple):
    """A package of the SDK's, the module that it was made from, and the client that has it compiled."""

    client: Wasmer
    adapted: Adapted
    package: Package


class ClientBroken(InvalidModule):
    """The SDK panicked over the module, and its client will compile no other one."""


def compile_command(client: Wasmer, data: bytes, max_pages: int) -> Compiled:
    """The module in ``data``, compiled for jobs with at most ``max_pages`` of memory.

    Raises:
        InvalidModule: malformed, made for features that jobs do not get, or not a command.
        UnsupportedImport: it imports what no job is given.
    """
    module = read(data)
    check_imports(module)
    return _compile(client, adapt(module, check_command(module), max_pages))


def dump(compiled: Compiled) -> bytes:
    """The adapted module: the SDK gives nobody the code that it compiled."""
    adapted = compiled.adapted
    exit_function = _NO_FUNCTION if adapted.exit is None else adapted.exit
    return _ARTIFACT.pack(_MAGIC, adapted.too_large, exit_function) + adapted.module


def load(client: Wasmer, artifact: bytes) -> Compiled:
    """The inverse of :func:`dump`; compiles, but checks nothing that has been checked.

    Raises:
        InvalidModule: it is none of ours.
    """
    if len(artifact) < _ARTIFACT.size:
        raise InvalidModule("the compiled artifact cannot be used: it is too short")
    magic, too_large, exit_function = _ARTIFACT.unpack_from(artifact)
    if magic != _MAGIC:
        raise InvalidModule("the compiled artifact cannot be used: it was made by another runtime")
    exit_or_none = None if exit_function == _NO_FUNCTION else exit_function
    return _compile(client, Adapted(artifact[_ARTIFACT.size :], exit_or_none, bool(too_large)))


def _compile(client: Wasmer, adapted: Adapted) -> Compiled:
    """Have it compiled now.  The SDK does that when it starts a command, before it looks at the arguments: one that
    cannot be an argument makes it stop in between, with the code in its memory."""
    definition = PackageDefinition({"job": adapted.module}, {PROGRAM_NAME: PackageCommandDefinition("job")})
    try:
        package = finish(client.packages.create(definition))
        sandbox = finish(client.sandboxes.create(packages=[package], network=NetworkPolicy.DISABLED))
        try:
            process = finish(sandbox.command(package, [_NO_ARGUMENT]).spawn())
        finally:
            finish(sandbox.close())
    except WasmerError as error:
        if _STOPPED in str(error):
            return Compiled(client, adapted, package)
        raise _rejected(error) from None
    finish(process.kill())
    raise PluginError("wasmer-sdk ran a job that it was to compile", hint="install wasmer-sdk 0.5.0")


def _rejected(error: WasmerError) -> InvalidModule:
    if error.code == PANIC:
        return ClientBroken(f"wasmer-sdk cannot compile the module: {error}", hint="choose another with --runtime")
    found = _WHY.search(str(error))
    reason = (found["invalid"] or found["other"]) if found else str(error)
    return malformed(_WHERE.sub("", reason))
