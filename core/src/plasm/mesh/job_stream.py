"""The course of one job on its stream ``/plasm/job/1``: bytes in, messages out, messages in, bytes out.

    state      who     message                 next
    ---------  ------  ----------------------  ------------------------------------------------
    OPEN       client  offer                   OFFERED
    OFFERED    node    accept                  MODULE where the module is wanted, else RUNNING
    OFFERED    node    reject                  CLOSED
    MODULE     client  module                  MODULE until it is complete, then RUNNING
    MODULE     node    failure                 CLOSED
    RUNNING    client  stdin, stdin-end        RUNNING
    RUNNING    node    output, progress        RUNNING
    RUNNING    node    result, failure         CLOSED

Input may be sent only where the offer announced it, and nothing of it after its end.  A stream that is reset, or ends
in another state than CLOSED, is a job that was given up by the client or lost by the node.  Once the node has closed
the stream, what the client had under way is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from plasm.errors import ProtocolViolation
from plasm.mesh.codec import decode, encode
from plasm.mesh.framing import Deframer, frame
from plasm.mesh.messages import (
    Accept,
    Failure,
    Message,
    ModuleChunk,
    Offer,
    OutputChunk,
    Progress,
    Reject,
    Result,
    StdinChunk,
    StdinEnd,
)


class Role(StrEnum):
    """Which end of the stream this is."""

    CLIENT = "client"
    NODE = "node"

    @property
    def other(self) -> Role:
        return Role.NODE if self is Role.CLIENT else Role.CLIENT


class State(StrEnum):
    """How far the job has come."""

    OPEN = "open"
    OFFERED = "offered"
    MODULE = "module"
    RUNNING = "running"
    CLOSED = "closed"


TRANSITIONS: Final[Mapping[tuple[State, Role, type], tuple[State, ...]]] = MappingProxyType(
    {
        (State.OPEN, Role.CLIENT, Offer): (State.OFFERED,),
        (State.OFFERED, Role.NODE, Accept): (State.RUNNING, State.MODULE),
        (State.OFFERED, Role.NODE, Reject): (State.CLOSED,),
        (State.MODULE, Role.CLIENT, ModuleChunk): (State.MODULE, State.RUNNING),
        (State.MODULE, Role.NODE, Failure): (State.CLOSED,),
        (State.RUNNING, Role.CLIENT, StdinChunk): (State.RUNNING,),
        (State.RUNNING, Role.CLIENT, StdinEnd): (State.RUNNING,),
        (State.RUNNING, Role.NODE, OutputChunk): (State.RUNNING,),
        (State.RUNNING, Role.NODE, Progress): (State.RUNNING,),
        (State.RUNNING, Role.NODE, Result): (State.CLOSED,),
        (State.RUNNING, Role.NODE, Failure): (State.CLOSED,),
    }
)
"""Who may send what in a state, and the states that may follow; :class:`JobStream` chooses where there are two."""


class JobStream:
    """One end of the stream.  ``max_stdin`` and ``max_output`` bound the bytes of input and of output altogether."""

    def __init__(self, role: Role, *, max_stdin: int, max_output: int) -> None:
        self.state = State.OPEN
        self._role = role
        self._deframer = Deframer()
        self._left = {StdinChunk: max_stdin, OutputChunk: max_output}
        self._module_left = 0
        self._stdin_open = False

    def send(self, message: Message) -> bytes:
        """The bytes to send for ``message``.

        Raises:
            ProtocolViolation: it is not ours to send now.
        """
        self._advance(self._role, message)
        return frame(encode(message))

    def receive_data(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with ``data``.

        Raises:
            ProtocolViolation: the other end does not keep to the protocol; the stream is to be reset.
        """
        for payload in self._deframer.feed(data):
            message = decode(payload)
            if self.state is State.CLOSED and self._role is Role.NODE:
                continue
            self._advance(self._role.other, message)
            yield message

    def receive_eof(self) -> None:
        """The other end sends no more.

        Raises:
            ProtocolViolation: in the middle of a frame, or where the node still owes an answer.
        """
        if self._deframer.pending:
            raise ProtocolViolation("the stream ended within a frame")
        if self._role is Role.CLIENT and self.state is not State.CLOSED:
            raise ProtocolViolation("the stream ended before the job did")
        handing_over = self.state in (State.OPEN, State.MODULE) or (self.state is State.RUNNING and self._stdin_open)
        if self._role is Role.NODE and handing_over:
            raise ProtocolViolation("the stream ended before the job was handed over")

    def _advance(self, sender: Role, message: Message) -> None:
        possible = TRANSITIONS.get((self.state, sender, type(message)))
        if possible is None:
            raise ProtocolViolation(f"{message.TYPE!r} from the {sender} while {self.state}")
        following = possible[0]
        if isinstance(message, Offer):
            self._module_left = message.module_size
            self._stdin_open = message.stdin
        elif isinstance(message, Accept) and message.module_wanted and self._module_left:
            following = State.MODULE
        elif isinstance(message, ModuleChunk):
            self._module_left -= len(message.data)
            if self._module_left < 0:
                raise ProtocolViolation("more of a module than was offered")
            following = State.MODULE if self._module_left else State.RUNNING
        elif isinstance(message, StdinChunk | StdinEnd):
            if not self._stdin_open:
                raise ProtocolViolation("input that was not announced, or after its end")
            self._stdin_open = not isinstance(message, StdinEnd)
        if isinstance(message, StdinChunk | OutputChunk):
            self._left[type(message)] -= len(message.data)
            if self._left[type(message)] < 0:
                raise ProtocolViolation(f"more {message.TYPE} than the job may have")
        self.state = following
