"""Multicast DNS itself: asks for services, hears what is answered, and answers for this node.

Zeroconf lives in threads of its own.  Every call here blocks and is made from a worker thread; what is heard goes from
zeroconf's thread into a table, and only the fact that it changed is passed on.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping, Sequence

from zeroconf import (  # type: ignore[attr-defined]  # the classes of records are left out of its __all__
    DNSPointer,
    DNSQuestionType,
    DNSText,
    Error,
    RecordUpdate,
    RecordUpdateListener,
    ServiceBrowser,
    ServiceInfo,
    Zeroconf,
)

from plasm.contracts import PeerRecord
from plasm.errors import AddressUnavailable, PluginError
from plasm.model import PeerId
from plasm_discovery_mdns import _systems
from plasm_discovery_mdns._interfaces import addresses_at
from plasm_discovery_mdns._neighbours import Neighbours
from plasm_discovery_mdns._service import Service
from plasm_discovery_mdns._txt import decode, encode, ip_of, neighbourly

_NAME_LENGTH = 40
_NAME_LETTERS = string.ascii_lowercase + string.digits
# Asks again at three quarters of it, which is then the longest for which a peer that vanished without a word is kept.
# Zeroconf asks no sooner than for records of 1125 s.
_LIFETIME_S = 1500


class Responder:
    """Speaks for ``node`` from the start until :meth:`close`, and keeps ``neighbours``, a table for each service.

    Raises:
        AddressUnavailable: the interfaces or the port cannot be had.
    """

    def __init__(
        self,
        node: PeerId,
        interfaces: Sequence[str],
        neighbours: Mapping[Service, Neighbours],
        changed: Callable[[], None],
    ) -> None:
        # The specification's random peer name: no instance can be mistaken for an earlier one of the same peer.
        self._name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(_NAME_LENGTH))
        self._announced: dict[Service, ServiceInfo] = {}
        try:
            self._zeroconf = Zeroconf(addresses_at(interfaces))
        except (OSError, RuntimeError, Error) as error:
            raise AddressUnavailable(
                f"multicast DNS cannot be used: {error}",
                hint="let no other program keep UDP port 5353 to itself (avahi: disallow-other-stacks=no)",
            ) from None
        for service, table in neighbours.items():
            self._zeroconf.add_listener(_Listener(service, node, table, changed), None)
        # Answers to all rather than to us alone: those to one would reach any of this machine's responders.
        names = [service.name for service in neighbours]
        self._browser = ServiceBrowser(self._zeroconf, names, [_heed_nothing], question_type=DNSQuestionType.QM)

    def announce(self, service: Service, record: PeerRecord, systems: frozenset[str]) -> None:
        """Say that this node is at the addresses in ``record`` that are the service's, and answer so from now on.

        A record without one, or without a fitting one, takes it back.

        Raises:
            PluginError: zeroconf is too busy or has stopped.
        """
        addresses = neighbourly(PeerRecord(record.peer, filter(service.carries, record.addresses)))
        if not addresses:
            self.withdraw(service)
            return
        info = ServiceInfo(
            service.name,
            f"{self._name}.{service.name}",
            port=int(addresses[0].split("/")[4]),
            properties=encode(PeerRecord(record.peer, addresses)) + _systems.encode(systems),
            server=f"{self._name}.local.",
            other_ttl=_LIFETIME_S,
            # Libp2p reads the TXT record only; other programs want a host with addresses.
            parsed_addresses=sorted(set(map(ip_of, addresses))),
        )
        try:
            if service not in self._announced:
                # Probing whether the name is free takes half a second, and a random one is.
                self._zeroconf.register_service(info, cooperating_responders=True)
            else:
                self._zeroconf.update_service(info)
        except Error as error:
            raise PluginError(f"multicast DNS does not get to announce this node: {error!r}") from None
        self._announced[service] = info

    def withdraw(self, service: Service) -> None:
        """Take back what was announced, if anything was."""
        if service in self._announced:
            self._zeroconf.unregister_service(self._announced.pop(service))

    def close(self) -> None:
        """Say good-bye; sockets and threads are gone afterwards."""
        try:
            self._browser.cancel()
        finally:
            self._zeroconf.close()


class _Listener(RecordUpdateListener):
    """Hears of one service.  Called in zeroconf's thread, once for each packet.

    Records are taken as they come rather than asked for by name: js-libp2p sends no SRV record, without which zeroconf
    takes a service for incomplete.
    """

    def __init__(self, service: Service, node: PeerId, neighbours: Neighbours, changed: Callable[[], None]) -> None:
        self._service = service
        self._node = node
        self._neighbours = neighbours
        self._changed = changed

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        texts: dict[str, list[DNSText]] = {}
        for record in (update.new for update in records):
            if isinstance(record, DNSPointer) and record.key == self._service.name and not record.ttl:
                self._neighbours.forget(record.alias.lower())
            elif isinstance(record, DNSText) and record.key.endswith("." + self._service.name):
                texts.setdefault(record.key, []).append(record)
        for name, said in texts.items():
            self._hear(name, said, now)
        if texts:
            self._changed()

    def _hear(self, name: str, texts: Sequence[DNSText], now: float) -> None:
        holding = [text for text in texts if not text.is_expired(now)]
        for text in texts:
            # What expires by itself is found expired in the table; only a good-bye is news.
            if not text.ttl and (record := decode(text.text)):
                self._neighbours.forget(name, record)
        if holding:
            said = [record for record in map(decode, (text.text for text in holding)) if record]
            self._neighbours.hear(
                name,
                [record for record in said if record.peer != self._node],
                min(text.ttl for text in holding),
                all_of_them=any(text.unique for text in holding),
                systems=frozenset().union(*(_systems.decode(text.text) for text in holding)),
            )


def _heed_nothing(**_: object) -> None:
    """The browser asks; the listener hears."""
