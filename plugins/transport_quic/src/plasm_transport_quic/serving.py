"""Streams that peers open: agree on the protocol, hand them to whoever speaks it, and clear up afterwards."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

import anyio
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.host.basic_host import BasicHost
from libp2p.network.stream.net_stream import NetStream

from plasm.contracts.transport import StreamHandler
from plasm_transport_quic.connections import NEGOTIATION_SECONDS, PeerConnection
from plasm_transport_quic.muxing import MuxedStream
from plasm_transport_quic.negotiation import NegotiationFailed, agree

_log = logging.getLogger(__name__)


class Serving:
    """Answers streams, for our protocols and for those of libp2p's services.

    libp2p's own way of doing this lets an error of a handler, and a stranger's nonsense, end the whole swarm.
    """

    def __init__(self, host: BasicHost) -> None:
        self._host = host
        self._handlers: dict[str, StreamHandler] = {}

    def add(self, protocols: Sequence[str], handler: StreamHandler) -> None:
        """Let ``handler`` answer streams for ``protocols``."""
        self._handlers.update(dict.fromkeys(protocols, handler))
        for protocol in protocols:
            # Without a handler of its own: so libp2p's identify tells of the protocol, and we answer it.
            self._host.get_mux().add_handler(TProtocol(protocol), None)

    async def answer(self, stream: INetStream) -> None:
        """Serve one stream that a peer has opened."""
        muxed = cast("MuxedStream", cast("NetStream", stream).muxed_stream)
        try:
            services = self._host.get_mux().handlers
            spoken = [*self._handlers, *(protocol for protocol, serve in services.items() if protocol and serve)]
            with trio.fail_after(NEGOTIATION_SECONDS):
                protocol = await agree(muxed, spoken)
            if handler := self._handlers.get(protocol):
                await handler(PeerConnection(muxed.muxed_conn), protocol, muxed)
                muxed.finish()
            else:
                stream.set_protocol(TProtocol(protocol))
                if serve := services[TProtocol(protocol)]:
                    await serve(stream)
        except (anyio.BrokenResourceError, BaseLibp2pError, NegotiationFailed, trio.TooSlowError) as error:
            _log.debug("a stream of %s ended: %r", muxed.muxed_conn.peer_id, error)
        except Exception:
            _log.warning("serving a stream of %s failed", muxed.muxed_conn.peer_id, exc_info=True)
        else:
            return
        muxed.abandon()
