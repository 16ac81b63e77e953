"""A connection as the contract has it, over a muxed one."""

from __future__ import annotations

import trio
from attrs import frozen
from libp2p.exceptions import BaseLibp2pError
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from plasm.errors import PeerUnreachable, ProtocolNotSpoken
from plasm.model import PeerId
from plasm_transport_quic.identity import plasm_id
from plasm_transport_quic.muxing import MuxedConnection, MuxedStream
from plasm_transport_quic.negotiation import NegotiationFailed, NotSpoken, propose

NEGOTIATION_SECONDS = 10


@frozen
class PeerConnection:
    """A connection to a peer that has proved its id."""

    _muxed: MuxedConnection

    @property
    def peer(self) -> PeerId:
        return plasm_id(self._muxed.peer_id)

    @property
    def address(self) -> str:
        return f"{self._muxed.endpoint}/p2p/{self.peer}"

    async def open_stream(self, protocol: str) -> MuxedStream:
        """A new stream for ``protocol``.

        Raises:
            PeerUnreachable: the connection is gone, or the other side does not answer.
            ProtocolNotSpoken: the other side does not speak ``protocol``.
        """
        try:
            stream = await self._muxed.open_stream()
        except MuxedConnUnavailable as error:
            raise self._unreachable(protocol, error) from error
        agreed = False
        try:
            with trio.fail_after(NEGOTIATION_SECONDS):
                await propose(stream, protocol)
            agreed = True
        except NotSpoken:
            raise ProtocolNotSpoken(f"{self.peer} does not speak {protocol}") from None
        except (NegotiationFailed, BaseLibp2pError, trio.TooSlowError) as error:
            raise self._unreachable(protocol, error) from error
        finally:
            if not agreed:
                stream.abandon()
        return stream

    async def close(self) -> None:
        await self._muxed.close()

    def _unreachable(self, protocol: str, error: Exception) -> PeerUnreachable:
        reason = str(error) or f"no answer within {NEGOTIATION_SECONDS} s"
        return PeerUnreachable(f"{self.peer} gave no stream for {protocol}: {reason}")
