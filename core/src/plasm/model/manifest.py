"""The job manifest: everything that is fixed about a job before it runs, and nothing about the machine it runs on.

A manifest names no folder of the host and no file: who runs the job binds folders to its mounts and supplies the
module whose digest it names.  Its own digest, over :func:`canonical`, is what a receipt refers to.
"""

from __future__ import annotations

import json
from typing import Final

from attrs import evolve, field, frozen

from plasm.errors import InvalidInput
from plasm.model.determinism import Determinism
from plasm.model.digest import Sha256, is_sha256, sha256_hex
from plasm.model.invocation import Invocation, Preopen, check_text
from plasm.model.limits import Limits

_MAX_RUNTIME_NAME_BYTES: Final = 256


@frozen
class Manifest:
    """One job: which module, how it is called, what it may use.

    Raises:
        InvalidInput: a module digest that is none; a runtime that cannot be a plugin's name; a deterministic job with
            mounts, whose content is not fixed; a clock or a seed for a job that is not deterministic.
    """

    module: Sha256 = field(metadata={"doc": "SHA-256 of the module's bytes, 64 hex digits."})
    invocation: Invocation = field(factory=Invocation, metadata={"doc": "How the module is called."})
    limits: Limits = field(factory=Limits, metadata={"doc": "What the job may use at most."})
    runtime: str | None = field(
        default=None, metadata={"doc": "The runtime that the job needs, by its plugin's name; null takes any."}
    )
    deterministic: bool = field(
        default=False, metadata={"doc": "Whether the job gets a clock and random numbers that are always the same."}
    )
    clock: int = field(default=0, metadata={"doc": "What that clock starts from, in seconds since the Unix epoch."})
    seed: int = field(default=0, metadata={"doc": "What those random numbers grow from."})

    def __attrs_post_init__(self) -> None:
        if not is_sha256(self.module):
            raise InvalidInput(f"{self.module!r:.80} is not a SHA-256 digest", hint="64 lower-case hex digits")
        if self.runtime is not None and check_text("runtime", self.runtime) > _MAX_RUNTIME_NAME_BYTES:
            raise InvalidInput(f"a runtime's name takes at most {_MAX_RUNTIME_NAME_BYTES} bytes")
        if self.deterministic and self.invocation.mounts:
            raise InvalidInput("a deterministic job cannot have mounts", hint="pass its input on stdin")
        if Determinism(self.clock, self.seed) != Determinism() and not self.deterministic:
            raise InvalidInput("clock and seed are for deterministic jobs", hint="add deterministic = true")

    @property
    def determinism(self) -> Determinism | None:
        """Clock and random numbers of a deterministic job."""
        return Determinism(self.clock, self.seed) if self.deterministic else None

    def digest(self) -> Sha256:
        """SHA-256 of :func:`canonical`."""
        return sha256_hex(canonical(self))

    def bind(self, preopens: tuple[Preopen, ...]) -> Manifest:
        """This manifest with the mounts of ``preopens`` added to its own.

        Raises:
            InvalidInput: a mount that no preopen binds, or one bound writable that is declared read-only.
        """
        bound = {preopen.mount.guest: preopen.mount for preopen in preopens}
        for mount in self.invocation.mounts:
            given = bound.get(mount.guest)
            if given is None:
                raise InvalidInput(f"no folder is given for {mount.guest}", hint=f"add --dir HOST:{mount.guest}")
            if mount.read_only and not given.read_only:
                raise InvalidInput(
                    f"the manifest mounts {mount.guest} read-only", hint=f"add :ro to the --dir of {mount.guest}"
                )
        mounts = sorted((preopen.mount for preopen in preopens), key=lambda mount: mount.guest)
        return evolve(self, invocation=evolve(self.invocation, mounts=mounts))


def canonical(manifest: Manifest) -> bytes:
    """The bytes that a manifest's digest is taken over: its JSON per RFC 8785 (JCS), defaults written out.

    A manifest holds text, whole numbers below 2^53, booleans and null only, so sorted keys and no spaces make
    it canonical.
    """
    invocation, limits = manifest.invocation, manifest.limits
    document = {
        "module": manifest.module,
        "invocation": {
            "args": invocation.args,
            "env": dict(invocation.env),
            "mounts": [{"guest": mount.guest, "read_only": mount.read_only} for mount in invocation.mounts],
        },
        "limits": {
            "memory": limits.memory,
            "fuel": limits.fuel,
            "wall_time": limits.wall_time,
            "cpu_time": limits.cpu_time,
            "output": limits.output,
            "files": limits.files,
        },
        "runtime": manifest.runtime,
        "deterministic": manifest.deterministic,
        "clock": manifest.clock,
        "seed": manifest.seed,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
