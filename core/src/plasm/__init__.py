"""Plasm: run WebAssembly jobs in a sandbox, here or on a peer, and hold a signed receipt of what ran.

    import plasm

    result = plasm.run("examples/hello/hello.wasm", ["Hello, World"])
    receipt = plasm.verify(result.receipt, stdout=result.stdout)
    print(result.stdout.decode(), result.outcome, "on", receipt.node)

What is listed here is the public surface; :mod:`plasm.api` describes it.  Names are imported when they are first used,
so that ``import plasm`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.api import *

__all__ = [
    "AsyncOutputSink",
    "Cancellation",
    "Chosen",
    "CollectingSink",
    "Completed",
    "Config",
    "Delivered",
    "Invocation",
    "Job",
    "LegacyReceipt",
    "Limits",
    "LocalClient",
    "Manifest",
    "MeshClient",
    "Module",
    "Mount",
    "NodeClient",
    "Outcome",
    "OutcomeKind",
    "OutputSink",
    "PeerClient",
    "PeerId",
    "PeerRecord",
    "PlasmError",
    "Preopen",
    "Receipt",
    "Report",
    "Require",
    "Requirements",
    "Result",
    "Submitter",
    "TrapKind",
    "Usage",
    "errors",
    "peer_client",
    "read_module",
    "run",
    "submit",
    "verify",
]
__version__ = "0.1.0"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("plasm.api"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
