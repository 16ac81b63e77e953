"""A node of this test's own that must end in order, whatever was done to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.processes import TCP, NodeProcess


@contextmanager
def running(
    home: Path, *options: str, listen: str = TCP, prefix: tuple[str, ...] = (), **env: str
) -> Iterator[NodeProcess]:
    """``plasm start`` with one worker, and without discovery unless ``options`` name one; ``prefix`` runs it."""
    options = ("--listen", listen, "--workers", "1", *options)
    discovery = () if "--discovery" in options else ("--discovery", "none")
    node = NodeProcess(home, *options, *discovery, prefix=prefix, env=env)
    try:
        yield node
        assert node.stop() == 0, node.log
    finally:
        if node.process.poll() is None:
            node.process.kill()
            node.close()
    assert node.events()[-1] == "stopped"
