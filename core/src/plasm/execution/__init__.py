"""Running jobs: worker processes, the conversation with them, and the executor that owns them.

    executor ── owns ──▶ worker (parent's side) ══ frames over two pipes ══ child (worker process) ──▶ runtime

Only the child ever touches a module; the parent reads frames of bounded size and decides from outside when a job
has had enough.
"""
