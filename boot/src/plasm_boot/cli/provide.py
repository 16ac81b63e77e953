"""``plasm provide``: serve a repository to machines that boot."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plasm.errors import ExitStatus, InvalidInput
from plasm.ops.console import say, show_json
from plasm_boot.cli.options import Bootstrap

if TYPE_CHECKING:
    from plasm_boot.provider.addresses import HostPort
    from plasm_boot.provider.provider import Provider

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm provide repo/                                be found on the local network
  plasm provide repo/ --listen 192.0.2.7:80 --metrics 127.0.0.1:9465
  plasm provide repo/ --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm provide repo/ --listen 127.0.0.1:8380 --announce http://192.0.2.7     behind a proxy
  plasm provide repo/ --discovery none               for machines that are told the URL

\b
Events go to stderr, one line each, as JSON unless it is a terminal or --json is given.  SIGTERM or Ctrl-C: what is
being sent is finished, new connections are turned away; a second one ends at once.  What is published while it runs
is served and advertised within seconds.
"""


@app.command(epilog=EXAMPLES)
def provide(
    ctx: typer.Context,
    repository: Annotated[Path, typer.Argument(help="The repository that plasm boot publish wrote.", metavar="REPO")],
    listen: Annotated[
        str, typer.Option(help="Listen at this address; without HOST, at all of them.", metavar="[HOST]:PORT")
    ] = ":8380",
    discovery: Annotated[
        list[str] | None,
        typer.Option(help="Discovery plugin to use, or none; may be repeated [mdns].", metavar="NAME"),
    ] = None,
    bootstrap: Bootstrap = None,
    peer_listen: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the DHT's peers reach this machine, a multiaddress; may be repeated [a free port].",
            metavar="ADDR",
        ),
    ] = None,
    announce: Annotated[
        list[str] | None,
        typer.Option(
            help="Advertise this in place of the addresses listened at; may be repeated.", metavar="http://HOST[:PORT]"
        ),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Serve metrics for Prometheus at this loopback address.", metavar="HOST:PORT")
    ] = None,
    connections: Annotated[int, typer.Option(help="Connections at once.", min=1, max=100_000)] = 512,
    per_client: Annotated[int, typer.Option(help="Connections of one client at once.", min=1, max=100_000)] = 32,
    rate: Annotated[int, typer.Option(help="Requests of one client in a minute.", min=1, max=10_000_000)] = 1200,
    grace: Annotated[
        float, typer.Option(help="Seconds in which to finish what is being sent, at the end.", min=0, max=86_400)
    ] = 30,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON document when it serves, and events as JSON.")
    ] = False,
) -> int:
    """Serve a repository over HTTP, and let machines that boot find it."""
    from plasm.ops.log import Event, LibraryWarnings, Log
    from plasm.ops.running import run
    from plasm.ops.service_manager import ServiceManager
    from plasm_boot.provider.addresses import HostPort, announced
    from plasm_boot.provider.advertising import Advertising
    from plasm_boot.provider.descriptors import make_room
    from plasm_boot.provider.provider import Provider, ProviderSettings

    host = ctx.obj.begin_with(bootstrap or ())
    settings = ProviderSettings(
        repository=repository,
        listen=HostPort.parse(listen),
        advertising=Advertising(host, host.choose_discoveries(discovery), tuple(peer_listen or ())),
        announced=tuple(endpoint for url in announce or () for endpoint in announced(url)),
        metrics=_loopback(HostPort.parse(metrics)) if metrics else None,
        connections=make_room(connections),
        connections_per_client=per_client,
        requests_per_minute=rate,
        grace=grace,
    )
    log = Log(readable=False if json_ else None)
    logging.getLogger().addHandler(LibraryWarnings(log))
    if settings.connections < connections:
        log.event(
            Event.WARNING,
            detail=f"only {settings.connections} connections at once are served, not {connections}, for the limit of "
            "open files allows no more: raise the hard one (ulimit -Hn, or LimitNOFILE= of a service)",
        )
    provider = Provider(settings, log, ServiceManager(os.environ))

    def ready(endpoints: Sequence[HostPort]) -> None:
        if json_:
            show_json({"repository": str(repository), "urls": [endpoint.url for endpoint in endpoints]})
            sys.stdout.flush()
        for endpoint in endpoints:
            say(f"{repository} is served at {endpoint.url}")

    run(_run, provider, ready)
    return ExitStatus.OK


def _loopback(endpoint: "HostPort") -> "HostPort":
    if not endpoint.is_loopback:
        raise InvalidInput(
            f"metrics are not served at {endpoint}, which is no loopback address",
            hint="write it like 127.0.0.1:9465 or [::1]:9465",
        )
    return endpoint


async def _run(provider: "Provider", ready: "Callable[[Sequence[HostPort]], None]") -> None:
    """Run ``provider``; the first SIGTERM or SIGINT stops it, the second one ends it."""
    import anyio

    from plasm.ops.concurrency import beside

    async def heed_signals() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            stopping = False
            async for _ in signals:
                if stopping:
                    serving.cancel()
                provider.stop()
                stopping = True

    with anyio.CancelScope() as serving:
        await beside(lambda: provider.run(ready), heed_signals)
