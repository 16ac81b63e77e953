"""The side that has a job and wants its result, verified."""

from plasm.client.local import Completed, LocalClient, Result, run

__all__ = ["Completed", "LocalClient", "Result", "run"]
