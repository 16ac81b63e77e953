"""What peers can send us, as a fuzzer tries it: frames, messages, the course of a job, capability records.

Whatever the bytes are, they give messages or a ProtocolViolation; and every message has exactly one form.
``make fuzz`` runs this file under atheris and keeps what it finds in ``corpus``, which the tests go through.
"""

from __future__ import annotations

import contextlib
import sys

if __name__ == "__main__":
    import atheris

    instrument = atheris.instrument_imports(include=["plasm.mesh"])
else:
    instrument = contextlib.nullcontext()

with instrument:
    from plasm.errors import ProtocolViolation, VerificationFailed
    from plasm.mesh.capability import verify
    from plasm.mesh.codec import decode, encode
    from plasm.mesh.job_stream import JobStream, Role
    from plasm.model import PeerId

PEER = PeerId(bytes(32))


def one_input(data: bytes) -> None:
    """The first byte chooses what the others are for."""
    target, data = data[:1], data[1:]
    with contextlib.suppress(ProtocolViolation, VerificationFailed):
        if target < b"\x40":
            job_stream(data, Role.NODE)
        elif target < b"\x80":
            job_stream(data, Role.CLIENT)
        elif target < b"\xc0":
            assert encode(decode(data)) == data
        else:
            verify(data, PEER, 0)


def job_stream(data: bytes, role: Role) -> None:
    """One end of a stream gets ``data`` in two parts."""
    machine = JobStream(role, max_stdin=2**20, max_output=2**20)
    cut = data[0] if data else 0
    for part in (data[1 : 1 + cut], data[1 + cut :]):
        for message in machine.receive_data(part):
            assert decode(encode(message)) == message
    machine.receive_eof()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
