"""Contract kits: each says as tests what a plugin of its kind must do, for whoever writes one.

from plasm.testing import RuntimeContract

class TestMine(RuntimeContract):
    runtime = "mine"
"""

from __future__ import annotations

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.testing.boot_mode import BootModeContract as BootModeContract
    from plasm.testing.discovery import DiscoveryContract as DiscoveryContract
    from plasm.testing.runtime import RuntimeContract as RuntimeContract
    from plasm.testing.transport import TransportContract as TransportContract

__getattr__, __dir__ = lazily(
    __name__,
    {
        "BootModeContract": "plasm.testing.boot_mode",
        "DiscoveryContract": "plasm.testing.discovery",
        "RuntimeContract": "plasm.testing.runtime",
        "TransportContract": "plasm.testing.transport",
    },
)
