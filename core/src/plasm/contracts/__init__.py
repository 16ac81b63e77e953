"""What the objects that plugins hand to the core must do.

Each module here is the contract of one plugin kind; the docstrings are the specification, and the classes of the
same kind in :mod:`plasm.testing` are its executable form.  A plugin need not inherit from anything.
"""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.contracts.boot import BootMode as BootMode
    from plasm.contracts.boot import BootPolicy as BootPolicy
    from plasm.contracts.boot import RootfsNeeds as RootfsNeeds
    from plasm.contracts.discovery import Discovery as Discovery
    from plasm.contracts.discovery import PeerRecord as PeerRecord
    from plasm.contracts.extension import JobEvent as JobEvent
    from plasm.contracts.runtime import Call as Call
    from plasm.contracts.runtime import CompiledModule as CompiledModule
    from plasm.contracts.runtime import Execution as Execution
    from plasm.contracts.runtime import Runtime as Runtime
    from plasm.contracts.runtime import Stream as Stream
    from plasm.contracts.runtime import Terms as Terms
    from plasm.contracts.signing import Signer as Signer
    from plasm.contracts.transport import ByteStream as ByteStream
    from plasm.contracts.transport import Connection as Connection
    from plasm.contracts.transport import StreamHandler as StreamHandler
    from plasm.contracts.transport import Transport as Transport

__getattr__, __dir__ = lazily(
    __name__,
    {
        "BootMode": "plasm.contracts.boot",
        "BootPolicy": "plasm.contracts.boot",
        "RootfsNeeds": "plasm.contracts.boot",
        "Discovery": "plasm.contracts.discovery",
        "PeerRecord": "plasm.contracts.discovery",
        "JobEvent": "plasm.contracts.extension",
        "Call": "plasm.contracts.runtime",
        "CompiledModule": "plasm.contracts.runtime",
        "Execution": "plasm.contracts.runtime",
        "Runtime": "plasm.contracts.runtime",
        "Stream": "plasm.contracts.runtime",
        "Terms": "plasm.contracts.runtime",
        "Signer": "plasm.contracts.signing",
        "ByteStream": "plasm.contracts.transport",
        "Connection": "plasm.contracts.transport",
        "StreamHandler": "plasm.contracts.transport",
        "Transport": "plasm.contracts.transport",
    },
)
