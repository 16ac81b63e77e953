"""aioquic's connection with what it lacks: windows that follow the reader, and datagrams as large as the path carries.

All that depends on aioquic's private names is here and nowhere else; the distribution is bound to the version that it
was written for.
"""

# ruff: noqa: SLF001

from __future__ import annotations

import ssl
from typing import Any, Final

from aioquic import tls
from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # it is there to be imported
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import END_STATES, Limit, QuicConnection
from aioquic.quic.packet import QuicFrameType, QuicPacketType, QuicProtocolVersion, pull_quic_transport_parameters
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketSpace
from aioquic.quic.stream import QuicStream
from cryptography import x509
from libp2p.transport.quic.security import TLSConfig

SMALLEST_DATAGRAM: Final = SMALLEST_MAX_DATAGRAM_SIZE
LARGEST_DATAGRAM: Final = 16384
"""aioquic writes the length of a stream's data in two bytes, of which two bits are taken."""

STREAM_WINDOW = 512 * 2**10
CONNECTION_WINDOW = 64 * 2**20
IDLE_SECONDS = 45

_LIMIT_FRAME_BYTES = 9
_STREAM_LIMIT_FRAME_BYTES = 17
_INITIAL_DATAGRAMS = 10  # in flight, before anything is known of the path (RFC 9002, 7.2)
_HOPELESS_TIMEOUTS = 3
_USUAL_DATAGRAMS = (1372, 1232)  # through a tunnel within Ethernet, and over every link that carries IPv6
_TRIALS = 2


def configuration(credentials: TLSConfig, *, is_client: bool) -> QuicConfiguration:
    """What all connections of one side have in common."""
    return QuicConfiguration(
        alpn_protocols=["libp2p"],
        certificate=credentials.certificate,
        idle_timeout=IDLE_SECONDS,
        is_client=is_client,
        max_data=CONNECTION_WINDOW,
        max_stream_data=STREAM_WINDOW,
        private_key=credentials.private_key,
        supported_versions=[QuicProtocolVersion.VERSION_1],
        # No authority has signed libp2p's certificates; what they prove is checked once the handshake is complete.
        verify_mode=ssl.CERT_NONE,
    )


class Pacer(QuicPacketPacer):
    """Spreads what is sent over the round trip by its bytes.

    aioquic lets each packet wait its turn as if it were full, so that a few small ones take a round trip and more.
    """

    def __init__(self) -> None:
        super().__init__(max_datagram_size=SMALLEST_DATAGRAM)
        self._packets = 0

    def update_after_send(self, now: float) -> None:
        super().update_after_send(now)
        self._packets += 1

    def settle(self, sent_bytes: int) -> None:
        """What the packets since the last time had less than full ones is theirs who come next."""
        if self.packet_time is not None:
            unused = self.packet_time * max(0.0, self._packets - sent_bytes / self._max_datagram_size)
            self.bucket_time = min(self.bucket_max, self.bucket_time + unused)
        self._packets = 0


class Engine(QuicConnection):
    """The protocol of one connection, without any I/O."""

    def __init__(
        self, configuration: QuicConfiguration, streams: int, *, original_destination: bytes | None = None
    ) -> None:
        super().__init__(configuration=configuration, original_destination_connection_id=original_destination)
        self._local_max_streams_bidi.value = self._local_max_streams_bidi.sent = streams
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = 0
        self._largest_received_by_peer = LARGEST_DATAGRAM
        self._loss._pacer = self._pacer = Pacer()
        self._sizes_to_try: list[int] = []
        self._trials = 0
        self._trial_is_due = False

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The certificate whose key the other side has."""
        return self.tls._peer_certificate

    @property
    def datagram_size(self) -> int:
        """The largest datagram that is sent."""
        return self._max_datagram_size

    @property
    def may_open(self) -> bool:
        """Whether the other side lets us open another stream."""
        return self.get_next_available_stream_id() // 4 < self._remote_max_streams_bidi

    @property
    def is_over(self) -> bool:
        """Whether it has been closed, by either side."""
        return self._state in END_STATES

    @property
    def end_reason(self) -> str:
        """Why it was closed, as far as anything was said."""
        event = self._close_event
        return "" if event is None else event.reason_phrase or f"error {event.error_code:#x}"

    # ---- Datagrams ----

    def try_datagrams_of(self, size: int) -> None:
        """Send datagrams of ``size`` bytes, or of what the peer takes and aioquic makes, if the path carries them.

        One is sent for a trial and the others stay small until it has arrived (RFC 8899); where it does not, smaller
        ones are tried that most links carry.
        """
        size = min(size, self._largest_received_by_peer, LARGEST_DATAGRAM)
        self._sizes_to_try = [tried for tried in (size, *_USUAL_DATAGRAMS) if SMALLEST_DATAGRAM < tried <= size]
        self._trials = 0
        self._trial_is_due = bool(self._sizes_to_try)

    def send_small_datagrams(self) -> None:
        """Send none that a path might not carry."""
        self._sizes_to_try = []
        self._trial_is_due = False
        self._send_datagrams_of(SMALLEST_DATAGRAM)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, tuple[Any, ...]]]:
        datagrams = super().datagrams_to_send(now)
        if self._trial_is_due and self._handshake_complete and not self.is_over:
            self._trial_is_due = False
            datagrams += self._trial(self._sizes_to_try[0], now)
        self._pacer.settle(sum(len(data) for data, _ in datagrams))
        return datagrams

    def handle_timer(self, now: float) -> None:
        super().handle_timer(now)
        # Several timeouts in a row: the path may have changed to one that swallows what is larger.
        if self._max_datagram_size > SMALLEST_DATAGRAM and self._loss._pto_count >= _HOPELESS_TIMEOUTS:
            self.send_small_datagrams()

    def _trial(self, size: int, now: float) -> list[tuple[bytes, tuple[Any, ...]]]:
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=size,
            packet_number=self._packet_number,
            peer_cid=self._peer_cid.cid,
            spin_bit=self._spin_bit,
            version=self._version or QuicProtocolVersion.VERSION_1,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[tls.Epoch.ONE_RTT])
        buffer = builder.start_frame(QuicFrameType.PING, handler=self._on_trial, handler_args=(size,))
        buffer.push_bytes(bytes(builder.remaining_flight_space))  # frames of padding
        return self._flush_builder(
            builder=builder, network_path=self._network_paths[0], peer_cid=self._peer_cid.cid, now=now
        )

    def _on_trial(self, delivery: QuicDeliveryState, size: int) -> None:
        if not self._sizes_to_try or self._sizes_to_try[0] != size:
            return
        if delivery is QuicDeliveryState.ACKED:
            self._sizes_to_try = []
            self._send_datagrams_of(size)
            return
        self._trials += 1
        if self._trials == _TRIALS:
            self._trials = 0
            self._sizes_to_try.pop(0)
        self._trial_is_due = bool(self._sizes_to_try)

    def _send_datagrams_of(self, size: int) -> None:
        control = self._loss._cc
        grows = size > self._max_datagram_size
        self._max_datagram_size = size
        self._pacer._max_datagram_size = size
        if hasattr(control, "_max_datagram_size"):
            control._max_datagram_size = size
        if grows:
            control.congestion_window = max(control.congestion_window, _INITIAL_DATAGRAMS * size)

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        # aioquic reads it and sends larger datagrams all the same.
        said = pull_quic_transport_parameters(Buffer(data=data)).max_udp_payload_size
        self._largest_received_by_peer = min(LARGEST_DATAGRAM, said or LARGEST_DATAGRAM)

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls._request_client_certificate = not self._is_client

    # ---- Sending ----

    def unacknowledged(self, stream_id: int) -> int:
        """How much of what was sent on a stream the other side has not confirmed."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.sender._buffer_stop - stream.sender._buffer_start

    @property
    def all_acknowledged(self) -> bool:
        """Whether the other side has confirmed all that was sent, on all streams."""
        senders = (stream.sender for stream in self._streams.values())
        return all(
            sender.is_finished
            or sender._reset_error_code is not None
            or (sender._buffer_fin is None and sender._buffer_start == sender._buffer_stop)
            for sender in senders
        )

    def abandon_stream(self, stream_id: int) -> None:
        """Reset what is sent, and ask the other side to do the same."""
        if (stream := self._streams.get(stream_id)) is not None:
            stream.sender.reset(error_code=0)
            if not stream.receiver.is_finished:
                stream.receiver.stop(error_code=0)

    # ---- Receiving ----

    @property
    def received(self) -> int:
        """How many bytes have come on all streams, out of their order or not."""
        return self._local_max_data.used

    def received_on(self, stream_id: int) -> int:
        """How many bytes have come on a stream, or would have, had it not been reset."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.receiver.highest_offset

    def let_peer_send(self, total: int) -> None:
        """The application is through with ``total`` bytes of all streams."""
        # In steps, for each is a frame.
        if total + CONNECTION_WINDOW - self._local_max_data.value >= CONNECTION_WINDOW // 8:
            self._local_max_data.value = total + CONNECTION_WINDOW

    def let_peer_send_on(self, stream_id: int, total: int) -> bool:
        """The same for one stream; whether there is something to be told."""
        stream = self._streams.get(stream_id)
        if stream is None or total + STREAM_WINDOW - stream.max_stream_data_local < STREAM_WINDOW // 4:
            return False
        stream.max_stream_data_local = total + STREAM_WINDOW
        return True

    # aioquic doubles a window whenever half of it is used, whether anybody reads or not.

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        buffer = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=_STREAM_LIMIT_FRAME_BYTES,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        buffer.push_uint_var(stream.stream_id or 0)
        buffer.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        streams = self._local_max_streams_bidi
        if self._local_max_data.value != self._local_max_data.sent:
            self._write_limit(builder, self._local_max_data)
        if streams.value - streams.sent > streams.sent - streams.used:
            self._write_limit(builder, streams)

    def _write_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        buffer = builder.start_frame(
            limit.frame_type,
            capacity=_LIMIT_FRAME_BYTES,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        buffer.push_uint_var(limit.value)
        limit.sent = limit.value
