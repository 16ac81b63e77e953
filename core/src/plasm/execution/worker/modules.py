"""Compiled modules: in memory, else an artifact that the parent kept, else compiled here."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from plasm.contracts.runtime import CompiledModule, Runtime, Terms
from plasm.errors import InvalidModule
from plasm.execution import frames
from plasm.execution.worker.pipes import FramePipes
from plasm.execution.worker.rlimits import ProcessLimits
from plasm.model import Sha256

_MAX_MODULES_IN_MEMORY: Final = 32


class Elsewhere(Exception):
    """The parent has taken the job back."""


class Modules:
    """The modules of one worker."""

    def __init__(self, runtime: Runtime, limits: ProcessLimits, pipes: FramePipes) -> None:
        self._runtime = runtime
        self._limits = limits
        self._pipes = pipes
        self._compiled: OrderedDict[tuple[Sha256, str], CompiledModule] = OrderedDict()

    def recall(self, digest: Sha256, terms: Terms) -> CompiledModule | None:
        """The module called ``digest`` as compiled for ``terms``, if it is in memory."""
        return self._compiled.get((digest, self._key(terms)))

    def prepare(self, digest: Sha256, terms: Terms) -> CompiledModule:
        """The same with the parent's help, in memory from now on.

        Raises:
            Elsewhere: another worker is to compile it.
        """
        key = self._key(terms)
        self._pipes.send(frames.PREPARING, key.encode("utf-8", "replace"))
        self._limits.before_compiling()
        compiled = self._received(terms)
        self._compiled[digest, key] = compiled
        if len(self._compiled) > _MAX_MODULES_IN_MEMORY:
            self._compiled.popitem(last=False)
        return compiled

    def _key(self, terms: Terms) -> str:
        """The artifact's key; empty, which the parent refuses, where the runtime gives no text."""
        key: object = self._runtime.artifact_key(terms)
        return key if isinstance(key, str) else ""

    def _received(self, terms: Terms) -> CompiledModule:
        tag, data = self._pipes.receive()
        if tag == frames.ARTIFACT:
            try:
                return self._runtime.load(data, terms)
            except InvalidModule:
                self._pipes.send(frames.MODULE_WANTED)
                tag, data = self._pipes.receive()
        if tag == frames.ELSEWHERE:
            raise Elsewhere
        assert tag == frames.MODULE
        compiled = self._runtime.compile(data, terms)
        artifact = self._runtime.dump(compiled)
        for start in range(0, len(artifact), frames.MAX_PAYLOAD_BYTES):
            self._pipes.send(frames.COMPILED, artifact[start : start + frames.MAX_PAYLOAD_BYTES])
        return compiled
