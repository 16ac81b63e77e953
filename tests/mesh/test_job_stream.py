"""The course of a job on its stream: what may be said when, and that neither end can be made to hold too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh.test_codec import MESSAGES, OFFER

from plasm.errors import ProtocolViolation
from plasm.mesh.framing import frame
from plasm.mesh.job_stream import JobStream, Role, State
from plasm.mesh.messages import (
    Accept,
    Failure,
    Message,
    ModuleChunk,
    OutputChunk,
    Progress,
    Reject,
    Result,
    StdinChunk,
    StdinEnd,
)

RESULT = Result(b"receipt")


class Pair:
    """Both ends of a stream, joined; ``say`` passes a message from one to the other."""

    def __init__(self, max_stdin: int = 100, max_output: int = 100) -> None:
        self.ends = {role: JobStream(role, max_stdin=max_stdin, max_output=max_output) for role in Role}

    def say(self, role: Role, *messages: Message) -> None:
        for message in messages:
            data = self.ends[role].send(message)
            assert list(self.ends[role.other].receive_data(data)) == [message]
            assert self.ends[role].state == self.ends[role.other].state

    def client(self, *messages: Message) -> None:
        self.say(Role.CLIENT, *messages)

    def node(self, *messages: Message) -> None:
        self.say(Role.NODE, *messages)

    @property
    def state(self) -> State:
        return self.ends[Role.CLIENT].state


def test_a_job_from_offer_to_receipt() -> None:
    pair = Pair()
    pair.client(OFFER)
    pair.node(Accept(module_wanted=True))
    assert pair.state is State.MODULE
    pair.client(ModuleChunk(b"ab"), ModuleChunk(b"c"))
    assert pair.state is State.RUNNING
    pair.client(StdinChunk(b"in"))
    pair.node(Progress("running", 3), OutputChunk("stdout", b"out"))
    pair.client(StdinEnd())
    pair.node(OutputChunk("stderr", b"err"), RESULT)
    assert pair.state is State.CLOSED
    for end in pair.ends.values():
        end.receive_eof()


def test_a_module_that_the_node_has_is_not_sent() -> None:
    pair = Pair()
    pair.client(OFFER)
    pair.node(Accept(module_wanted=False))
    assert pair.state is State.RUNNING


@pytest.mark.parametrize("end", [Reject("queue-full", "later"), Accept(module_wanted=False)])
def test_a_node_answers_an_offer_once(end: Message) -> None:
    pair = Pair()
    pair.client(OFFER)
    pair.node(end)
    for more in (end, Reject("draining")):
        with pytest.raises(ProtocolViolation):
            pair.ends[Role.NODE].send(more)


SCRIPTS: dict[State, list[tuple[Role, Message]]] = {
    State.OPEN: [],
    State.OFFERED: [(Role.CLIENT, OFFER)],
    State.MODULE: [(Role.CLIENT, OFFER), (Role.NODE, Accept(module_wanted=True))],
    State.RUNNING: [(Role.CLIENT, OFFER), (Role.NODE, Accept(module_wanted=False))],
    State.CLOSED: [(Role.CLIENT, OFFER), (Role.NODE, Reject("draining"))],
}
ALLOWED = {
    (State.OPEN, Role.CLIENT): {"offer"},
    (State.OFFERED, Role.NODE): {"accept", "reject"},
    (State.MODULE, Role.CLIENT): {"module"},
    (State.MODULE, Role.NODE): {"failure"},
    (State.RUNNING, Role.CLIENT): {"stdin", "stdin-end"},
    (State.RUNNING, Role.NODE): {"output", "progress", "result", "failure"},
}
SAMPLES: list[Message] = [
    OFFER,
    Accept(module_wanted=True),
    Reject("draining"),
    ModuleChunk(b"x"),
    StdinChunk(b"x"),
    StdinEnd(),
    OutputChunk("stdout", b"x"),
    Progress("queued", 1),
    RESULT,
    Failure("failed"),
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State)
def test_what_may_be_said_when(state: State, role: Role) -> None:
    for message in SAMPLES:
        pair = Pair()
        for speaker, said in SCRIPTS[state]:
            pair.say(speaker, said)
        if message.TYPE in ALLOWED.get((state, role), set()):
            pair.say(role, message)
        else:
            with pytest.raises(ProtocolViolation):
                pair.ends[role].send(message)


def test_more_of_a_module_than_was_offered() -> None:
    pair = Pair()
    pair.client(OFFER)
    pair.node(Accept(module_wanted=True))
    with pytest.raises(ProtocolViolation, match="more of a module"):
        pair.client(ModuleChunk(b"abcd"))


def test_input_that_was_not_announced_or_after_its_end() -> None:
    from attrs import evolve

    pair = Pair()
    pair.client(evolve(OFFER, stdin=False))
    pair.node(Accept(module_wanted=False))
    with pytest.raises(ProtocolViolation, match="not announced"):
        pair.client(StdinChunk(b"x"))
    pair = Pair()
    pair.client(OFFER)
    pair.node(Accept(module_wanted=False))
    pair.client(StdinEnd())
    with pytest.raises(ProtocolViolation, match="after its end"):
        pair.client(StdinEnd())


def test_input_and_output_are_bounded() -> None:
    pair = Pair(max_stdin=5, max_output=5)
    pair.client(OFFER)
    pair.node(Accept(module_wanted=False))
    pair.client(StdinChunk(b"12345"))
    pair.node(OutputChunk("stdout", b"123"), OutputChunk("stderr", b"45"))
    with pytest.raises(ProtocolViolation, match="more stdin"):
        pair.client(StdinChunk(b"6"))
    with pytest.raises(ProtocolViolation, match="more output"):
        pair.node(OutputChunk("stdout", b"6"))


@pytest.mark.parametrize("state", [State.OFFERED, State.MODULE, State.RUNNING])
def test_a_node_that_goes_before_the_job_has_ended_is_a_violation(state: State) -> None:
    pair = Pair()
    for speaker, said in SCRIPTS[state]:
        pair.say(speaker, said)
    with pytest.raises(ProtocolViolation, match="before the job did"):
        pair.ends[Role.CLIENT].receive_eof()


def test_a_stream_that_ends_within_a_frame_is_a_violation() -> None:
    node = JobStream(Role.NODE, max_stdin=1, max_output=1)
    assert list(node.receive_data(frame(b"x" * 50)[:10])) == []
    with pytest.raises(ProtocolViolation, match="within a frame"):
        node.receive_eof()


def test_what_a_client_had_under_way_when_its_job_ended_is_ignored() -> None:
    pair = Pair()
    pair.client(OFFER)
    pair.node(Accept(module_wanted=False))
    late = pair.ends[Role.CLIENT].send(StdinChunk(b"late"))
    pair.node(RESULT)
    assert list(pair.ends[Role.NODE].receive_data(late)) == []


@given(st.lists(MESSAGES, max_size=6))
def test_a_peer_can_say_anything_and_only_what_is_allowed_arrives(messages: list[Message]) -> None:
    from plasm.mesh.codec import encode

    node = JobStream(Role.NODE, max_stdin=1000, max_output=1000)
    try:
        for message in messages:
            for arrived in node.receive_data(frame(encode(message))):
                assert arrived.TYPE in ALLOWED[State.OPEN, Role.CLIENT]
    except ProtocolViolation:
        pass
