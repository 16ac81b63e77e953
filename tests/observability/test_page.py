"""docs/observability.md and the dashboard say what a real node logs and exports, no more and no less."""

from __future__ import annotations

import ast
import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess
from prometheus_client.parser import text_string_to_metric_families

from plasm.ops.log import Event
from world import ROOT

PAGE = (ROOT / "docs" / "observability.md").read_text()
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "plasm.json").read_text())
OBSERVER = """
from plasm.hookspecs import hookimpl
PLASM_HOOK_API = 1
@hookimpl
def plasm_job_event(event): pass
"""
GIVEN_BY_PROMETHEUS = {"instance", "le"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a real node that has an extension."""
    home, site = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("site")
    (site / "observer.py").write_text(OBSERVER)
    metadata = site / "observer-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: observer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[plasm.extension]\nobserver = observer\n")
    options = ("--listen", TCP, "--discovery", "none", "--workers", "1", "--metrics", "127.0.0.1:0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLASM_HOME", str(home))
        node = NodeProcess(home, *options, env={"PYTHONPATH": str(site)})
        (line,) = node.until("metrics")
        with urllib.request.urlopen(line["address"], timeout=PATIENCE_SECONDS) as page:
            text: str = page.read().decode()
        assert node.stop() == 0
    return text


def table(title: str) -> list[list[str]]:
    """The cells of the table whose first column has this title."""
    (rows,) = re.findall(rf"^\| {title} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def logged() -> dict[str, set[str]]:
    """Every event that the code logs, with its fields."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "core" / "src").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Attribute):
                event = call.args[0]
                if isinstance(event.value, ast.Name) and event.value.id == "Event":
                    fields = found.setdefault(Event[event.attr], set())
                    fields |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return found


def test_the_page_lists_every_event_with_its_fields() -> None:
    listed = {name: names(fields) for event, fields, _ in table("event") for name in names(event)}
    assert listed == logged()
    assert set(listed) == set(Event)


def test_the_page_lists_every_metric_that_a_node_exports_with_its_type_and_labels(exported: str) -> None:
    listed = {name: (kind, names(labels)) for metric, kind, labels, _ in table("metric") for name in names(metric)}
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", exported, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in types}
    for family in text_string_to_metric_families(exported):
        name = family.name if family.name in types else f"{family.name}_total"
        for sample in family.samples:
            labels[name] |= set(sample.labels) - {"le"}
    assert listed == {name: (kind, labels[name]) for name, kind in types.items()}


def test_names_follow_the_conventions_of_prometheus(exported: str) -> None:
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exported, re.MULTILINE):
        assert name.startswith(("plasm_", "process_"))
        assert name.endswith("_total") == (kind == "counter")


def queries(within: Any) -> Iterator[str]:
    """Every query of the dashboard."""
    if isinstance(within, dict):
        yield from (value for key, value in within.items() if key in {"expr", "definition"})
        within = list(within.values())
    if isinstance(within, list):
        for each in within:
            yield from queries(each)


def test_the_dashboard_asks_for_nothing_that_a_node_does_not_export(exported: str) -> None:
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exported):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    asked = list(queries(DASHBOARD))
    assert len(asked) > 10
    for query in asked:
        metrics = re.findall(r"\b((?:plasm|process)_\w+)", query)
        assert metrics, query
        assert set(metrics) <= set(samples), query
        by = {name for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(", ")}
        matched = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query))
        assert by | matched <= GIVEN_BY_PROMETHEUS.union(*(samples[name] for name in metrics)), query


def test_the_dashboard_shows_every_metric_of_ours(exported: str) -> None:
    ours = set(re.findall(r"^# TYPE (plasm_\S+)", exported, re.MULTILINE))
    shown = " ".join(queries(DASHBOARD))
    assert {name for name in ours if name not in shown} == set()


def test_a_legend_shows_labels_that_its_query_keeps() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"(by|on) \([^)]*\b{label}\b", target["expr"]), target
