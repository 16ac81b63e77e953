"""Plasm: run WebAssembly jobs in a sandbox, here or on a peer, and hold a signed receipt of what ran.

    import plasm

    result = plasm.run("examples/hello/hello.wasm", ["Hello, World"])
    receipt = plasm.verify(result.receipt, stdout=result.stdout)
    print(result.stdout.decode(), result.outcome, "on", receipt.node)

Names are imported when they are first used, so that ``import plasm`` costs nothing.
"""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.artifacts.modules import Module as Module
    from plasm.artifacts.modules import read_module as read_module
    from plasm.client.local import LocalClient as LocalClient
    from plasm.client.oneshot import Result as Result
    from plasm.client.oneshot import run as run
    from plasm.client.verification import verify as verify
    from plasm.errors import PlasmError as PlasmError
    from plasm.jobs.cancellation import Cancellation as Cancellation
    from plasm.jobs.job import Job as Job
    from plasm.model import Invocation as Invocation
    from plasm.model import Limits as Limits
    from plasm.model import Manifest as Manifest
    from plasm.model import Mount as Mount
    from plasm.model import Outcome as Outcome
    from plasm.model import OutcomeKind as OutcomeKind
    from plasm.model import PeerId as PeerId
    from plasm.model import Preopen as Preopen
    from plasm.receipts import Receipt as Receipt

__version__ = "0.1.0"

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Cancellation": "plasm.jobs.cancellation",
        "Invocation": "plasm.model",
        "Job": "plasm.jobs.job",
        "Limits": "plasm.model",
        "LocalClient": "plasm.client.local",
        "Manifest": "plasm.model",
        "Module": "plasm.artifacts.modules",
        "Mount": "plasm.model",
        "Outcome": "plasm.model",
        "OutcomeKind": "plasm.model",
        "PeerId": "plasm.model",
        "PlasmError": "plasm.errors",
        "Preopen": "plasm.model",
        "Receipt": "plasm.receipts",
        "Result": "plasm.client.oneshot",
        "read_module": "plasm.artifacts.modules",
        "run": "plasm.client.oneshot",
        "verify": "plasm.client.verification",
    },
)
