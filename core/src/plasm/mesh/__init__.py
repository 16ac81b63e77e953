"""What peers say to each other: messages, frames and the course of a job, without any I/O.

Bytes in, messages out, and the other way round; sockets belong to the node and to the client.  The protocols are
``/plasm/info/1`` (who are you and what do you offer) and ``/plasm/job/1`` (one job a stream); docs/mesh.md has them
byte for byte.
"""

from __future__ import annotations

from typing import Final

INFO_PROTOCOL: Final = "/plasm/info/1"
JOB_PROTOCOL: Final = "/plasm/job/1"
