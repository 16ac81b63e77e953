"""A router that opens ports by UPnP, as far as a client asks for it, and a node's talk with it.

    unshare -Urn python router.py

Prints as JSON where the node is found from outside, which ports were opened, and which are left at the end.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
from multiaddr import Multiaddr

from plasm_discovery_dht._gateway import Gateway

INSIDE, OUTSIDE = "192.168.1.2", "11.0.0.1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = "urn:schemas-upnp-org:device:{}:1"
PORTS: dict[tuple[str, str], str] = {}

DESCRIPTION = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>{DEVICE.format("InternetGatewayDevice")}</deviceType>
<deviceList><device><deviceType>{DEVICE.format("WANDevice")}</deviceType><deviceList><device>
<deviceType>{DEVICE.format("WANConnectionDevice")}</deviceType><serviceList><service><serviceType>{SERVICE}</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/control</controlURL><eventSubURL>/e</eventSubURL>
<SCPDURL>/scpd</SCPDURL></service></serviceList></device></deviceList></device></deviceList></device></root>"""

ANSWERS = {
    "GetStatusInfo": "<NewConnectionStatus>Connected</NewConnectionStatus><NewUptime>1</NewUptime>",
    "GetExternalIPAddress": f"<NewExternalIPAddress>{OUTSIDE}</NewExternalIPAddress>",
    "GetConnectionTypeInfo": "<NewConnectionType>IP_Routed</NewConnectionType>",
}


class Control(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._answer(DESCRIPTION)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers["SOAPAction"].strip('"').partition("#")[2]
        given = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        mapping = given.get("NewExternalPort", ""), given.get("NewProtocol", "")
        if action == "AddPortMapping":
            PORTS[mapping] = f"{given['NewInternalClient']}:{given['NewInternalPort']}"
        elif action == "DeletePortMapping":
            PORTS.pop(mapping, None)
        self._answer(
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<u:{action}Response xmlns:u="{SERVICE}">{ANSWERS.get(action, "")}</u:{action}Response>'
            "</s:Body></s:Envelope>"
        )

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def answer_searches(searches: socket.socket, port: int) -> None:
    """Say where the router's description is to whoever looks for one."""
    while True:
        question, sender = searches.recvfrom(2000)
        if question.startswith(b"M-SEARCH"):
            answer = (
                f"HTTP/1.1 200 OK\r\nST: {DEVICE.format('InternetGatewayDevice')}\r\nUSN: uuid:router\r\n"
                f"LOCATION: http://{INSIDE}:{port}/description\r\n\r\n"
            )
            searches.sendto(answer.encode(), sender)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


async def talk() -> dict[str, object]:
    gateway = Gateway()
    addresses = [Multiaddr(f"/ip4/{INSIDE}/tcp/4001"), Multiaddr(f"/ip4/{INSIDE}/udp/4001/quic-v1")]
    found = [str(address) for address in await gateway.open([*addresses, Multiaddr("/ip6/2001:db8::1/tcp/4001")])]
    opened = {" ".join(mapping): inside for mapping, inside in PORTS.items()}
    await gateway.close()
    return {"found": found, "opened": opened, "left": len(PORTS)}


def main() -> None:
    ip("link", "set", "lo", "up")
    ip("link", "add", "home", "type", "veth", "peer", "name", "wall")
    ip("address", "add", f"{INSIDE}/24", "dev", "home")
    ip("link", "set", "wall", "up")
    ip("link", "set", "home", "up")
    ip("route", "add", "239.0.0.0/8", "dev", "home")
    control = HTTPServer((INSIDE, 0), Control)
    searches = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    searches.bind(("", 1900))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton(INSIDE)
    searches.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    threading.Thread(target=answer_searches, args=(searches, control.server_port), daemon=True).start()
    print(json.dumps(anyio.run(talk, backend="trio")))  # noqa: T201


if __name__ == "__main__":
    main()
