"""A node's numbers as Prometheus wants them (docs/observability.md).

Names follow https://prometheus.io/docs/practices/naming/.  Nothing that a peer says becomes a label.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import plasm
from plasm.mesh.messages import RejectReason
from plasm.node.lifecycle import Lifecycle
from plasm.node.resources import Resources
from plasm.node.tally import DURATION_BUCKETS, ENDINGS, Tally


class Metrics:
    """The metrics of one node, and of its process."""

    def __init__(self, tally: Tally, life: Lifecycle, resources: Resources) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_NodeCollector(tally, life, resources))
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """All of them as they are now, in Prometheus's text format."""
        return generate_latest(self._registry)


class _NodeCollector(Collector):
    def __init__(self, tally: Tally, life: Lifecycle, resources: Resources) -> None:
        self._tally = tally
        self._life = life
        self._runtimes = resources.runtimes
        self._extensions = resources.extensions

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        yield from self._network()
        yield from self._plugins()
        build = GaugeMetricFamily("plasm_build_info", "The version of Plasm; always 1.", labels=["version"])
        build.add_metric([plasm.__version__], 1)
        yield build

    def _jobs(self) -> Iterator[Metric]:
        tally, life = self._tally, self._life
        executors = {name: runtime.executor for name, runtime in self._runtimes.items()}
        jobs = CounterMetricFamily("plasm_jobs", "Jobs that have ended, by how.", labels=["outcome"])
        for ending in ENDINGS:
            jobs.add_metric([ending], tally.jobs[ending])
        yield jobs
        waiting = sum(executor.waiting for executor in executors.values())
        yield GaugeMetricFamily("plasm_jobs_running", "Jobs accepted and not ended.", life.running)
        yield GaugeMetricFamily("plasm_jobs_waiting", "Jobs that wait for a worker.", waiting)
        counts = accumulate(tally.durations)
        bounds = [*map(str, DURATION_BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "plasm_job_duration_seconds",
            "How long jobs ran.",
            buckets=list(zip(bounds, map(float, counts), strict=True)),
            sum_value=tally.duration_sum,
        )
        restarts = CounterMetricFamily(
            "plasm_worker_restarts", "Worker processes started in place of others.", labels=["runtime"]
        )
        workers = GaugeMetricFamily("plasm_workers", "Worker processes.", labels=["runtime"])
        for name, executor in executors.items():
            restarts.add_metric([name], executor.worker_restarts)
            workers.add_metric([name], len(executor.worker_pids))
        yield restarts
        yield workers
        yield GaugeMetricFamily("plasm_draining", "1 while no more jobs are taken, else 0.", int(life.draining))

    def _plugins(self) -> Iterator[Metric]:
        failures = CounterMetricFamily(
            "plasm_plugin_failures", "Hooks of extensions that failed.", labels=["plugin", "hook"]
        )
        for labels, count in self._extensions.failures.items():
            failures.add_metric(labels, count)
        yield failures

    def _network(self) -> Iterator[Metric]:
        tally = self._tally
        yield CounterMetricFamily("plasm_offers", "Jobs that were offered.", tally.offers)
        rejections = CounterMetricFamily("plasm_rejections", "Offers that were rejected, by why.", labels=["reason"])
        for reason in RejectReason:
            rejections.add_metric([reason.value], tally.rejections[reason])
        yield rejections
        yield GaugeMetricFamily("plasm_peers", "Peers that have a stream to this node open.", tally.peers)
        yield CounterMetricFamily(
            "plasm_received_bytes", "Bytes on streams that peers opened, from them.", tally.received_bytes
        )
        yield CounterMetricFamily("plasm_sent_bytes", "Bytes on streams that peers opened, to them.", tally.sent_bytes)
        yield CounterMetricFamily("plasm_protocol_violations", "Breaches of the protocol.", tally.violations)
        yield CounterMetricFamily("plasm_bans", "Peers turned away for a while after breaches.", tally.bans)
