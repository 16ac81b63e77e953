#!/usr/bin/env bash
# prometheus_client 0.26.0 (PyPI) and prom-client 15.1.3 (npm), the text format of Prometheus.
# Expected: the same histogram, with buckets 1 and 2.5, has the same series names from a Python and from a JavaScript
# node.
# Seen: Python writes le="1.0", JavaScript le="1", in the text format and in OpenMetrics alike, where a whole number
# has to have ".0". le="2.5" and le="+Inf" agree.
# Why it matters: to Prometheus 2 these are two series. sum by (le) over a mixed fleet then has buckets that only a
# part of the nodes count in, so a cumulative histogram is no longer cumulative and histogram_quantile gives a wrong
# number, without a warning, at the whole-numbered limits only. Prometheus 3 rewrites le when it scrapes; earlier ones
# do not.
# Source: OpenMetrics 1.0, canonical numbers: floats of le are written as 1.0.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check prometheus_client==0.26.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" prom-client@15.1.3

cat > "$d/python.py" <<'EOF'
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
registry = CollectorRegistry()
Histogram("job_seconds", "Time.", buckets=[1, 2.5], registry=registry).observe(2)
for name, text in (("text", generate_latest(registry)), ("openmetrics", openmetrics(registry))):
    print("python", name, *(line.partition("{")[2].partition("}")[0] for line in text.decode().splitlines() if "_bucket" in line))
EOF
cat > "$d/js.mjs" <<'EOF'
import client from "prom-client";
for (const [name, type] of [["text", client.Registry.PROMETHEUS_CONTENT_TYPE], ["openmetrics", client.Registry.OPENMETRICS_CONTENT_TYPE]]) {
  const registry = new client.Registry();
  registry.setContentType(type);
  new client.Histogram({ name: "job_seconds", help: "Time.", buckets: [1, 2.5], registers: [registry] }).observe(2);
  console.log("js", name, ...(await registry.metrics()).match(/le="[^"]*"/g));
}
EOF
seen=$("$d/venv/bin/python" "$d/python.py"; node "$d/js.mjs")
echo "$seen"

expected=$(cat <<'EOF'
python text le="1.0" le="2.5" le="+Inf"
python openmetrics le="1.0" le="2.5" le="+Inf"
js text le="1" le="2.5" le="+Inf"
js openmetrics le="1" le="2.5" le="+Inf"
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "metrics-bucket-names-differ: changed. Buckets are named otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "metrics-bucket-names-differ: as described"
