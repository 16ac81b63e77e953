"""Running jobs: worker processes, the conversation with them, and the executor that owns them.

    parent: executor ── owns ──▶ worker processes ══ frames over two pipes ══ worker: main ──▶ runtime

Only the worker ever touches a module; the parent reads frames of bounded size and decides from outside when a job
has had enough.  :mod:`~plasm.execution.frames` and :mod:`~plasm.execution.order` are what the two sides share; neither
side imports the other, but for the fork that starts a worker.
"""
