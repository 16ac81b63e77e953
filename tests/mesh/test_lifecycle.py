"""The life of a node: what it takes in which state, what can be undone, and how it ends."""

from __future__ import annotations

import pytest

from plasm.node.lifecycle import TRANSITIONS, Lifecycle, NodeEvent, NodeState


class Life(Lifecycle):
    """A life that remembers its states."""

    def __init__(self) -> None:
        self.states = [NodeState.STARTING]
        super().__init__(lambda _, after: self.states.append(after))

    def after(self, *events: NodeEvent) -> list[str]:
        for event in events:
            self.happen(event)
        return [state.value for state in self.states]


def test_a_node_that_runs_nothing_ends_as_soon_as_it_drains() -> None:
    assert Life().after(NodeEvent.OPENED, NodeEvent.DRAIN) == ["starting", "ready", "draining", "stopped"]


@pytest.mark.parametrize("event", [NodeEvent.DRAIN, NodeEvent.STOP])
def test_a_node_that_has_a_job_ends_after_it(event: NodeEvent) -> None:
    life = Life()
    with life.job():
        life.after(NodeEvent.OPENED, event)
        assert (life.draining, life.running, life.state is NodeState.STOPPED) == (True, 1, False)
    assert life.state is NodeState.STOPPED


def test_a_drain_can_be_undone_and_a_stop_cannot() -> None:
    life = Life()
    with life.job():
        life.after(NodeEvent.OPENED, NodeEvent.DRAIN, NodeEvent.UNDRAIN)
        assert (life.draining, life.draining_s) == (False, None)
        life.after(NodeEvent.DRAIN, NodeEvent.STOP, NodeEvent.UNDRAIN)
        assert life.draining
        assert life.state is NodeState.STOPPING
    assert life.after()[-3:] == ["draining", "stopping", "stopped"]


def test_a_job_that_ends_ends_no_node_that_takes_jobs() -> None:
    life = Life()
    life.happen(NodeEvent.OPENED)
    with life.job():
        pass
    assert life.state is NodeState.READY


def test_reading_the_configuration_again_is_no_hindrance_to_draining() -> None:
    life = Life()
    with life.job():
        assert life.after(NodeEvent.OPENED, NodeEvent.RELOAD)[-1] == "reloading"
        assert not life.draining
        assert life.after(NodeEvent.DRAIN, NodeEvent.RELOADED)[-1] == "draining"


@pytest.mark.parametrize("event", NodeEvent)
def test_nothing_wakes_a_node_that_has_stopped(event: NodeEvent) -> None:
    life = Life()
    life.after(NodeEvent.STOP, event)
    assert life.state is NodeState.STOPPED


def test_every_state_can_be_reached_and_left() -> None:
    before, after = {state for state, _ in TRANSITIONS}, set(TRANSITIONS.values())
    assert after == set(NodeState) - {NodeState.STARTING}
    assert before == set(NodeState) - {NodeState.STOPPED}
