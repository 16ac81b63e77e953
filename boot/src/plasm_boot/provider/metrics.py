"""A provider's numbers as Prometheus wants them (docs/provider.md).

Names follow https://prometheus.io/docs/practices/naming/.  Nothing that a client says becomes a label.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import plasm
from plasm_boot.provider.catalogue import Catalogue
from plasm_boot.provider.statistics import Statistics


class ProviderMetrics:
    """The metrics of one provider, and of its process."""

    def __init__(self, statistics: Statistics, catalogue: Catalogue) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ProviderCollector(statistics, catalogue))
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """All of them as they are now, in Prometheus's text format."""
        return generate_latest(self._registry)


class _ProviderCollector(Collector):
    def __init__(self, statistics: Statistics, catalogue: Catalogue) -> None:
        self._statistics = statistics
        self._catalogue = catalogue

    def collect(self) -> Iterator[Metric]:
        statistics = self._statistics
        answers = CounterMetricFamily("plasm_provider_responses", "Answers, by their HTTP status.", labels=["status"])
        for status, count in sorted(statistics.answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield CounterMetricFamily("plasm_provider_sent_bytes", "Bytes of bodies that were sent.", statistics.sent_bytes)
        yield GaugeMetricFamily("plasm_provider_connections", "Connections that are open.", statistics.connections)
        versions = GaugeMetricFamily(
            "plasm_provider_system_version", "The newest version to boot.", labels=["channel", "arch", "mode"]
        )
        for each in self._catalogue.publications:
            versions.add_metric([each.channel, each.arch, each.mode], each.version)
        yield versions
        build = GaugeMetricFamily("plasm_build_info", "The version of Plasm; always 1.", labels=["version"])
        build.add_metric([plasm.__version__], 1)
        yield build
