#!/usr/bin/env bash
# @sigstore/bundle 4.0.0 (npm) against sigstore-models 0.0.6 (PyPI, what Python's sigstore uses).
# Expected: a DSSE bundle signed by a private key, with no transparency log entries, passes from one to the other.
# Seen: @sigstore/bundle leaves out lists that are empty, as protobuf's JSON does; sigstore-models takes a missing
# tlogEntries for an error. So what Python wrote comes back from JavaScript as something that Python refuses. Base64
# of the other alphabet, which protobuf's JSON and DSSE allow, JavaScript takes and Python refuses as well.
# Why it matters: bundles without log entries are those of private deployments and of keys that never go to a public
# log, and any JavaScript tool in the chain (CI actions, registries) rewrites them.
# Source: protobuf's JSON mapping: fields with default values are left out, and base64 is accepted in either alphabet.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check sigstore-models==0.0.6
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" @sigstore/bundle@4.0.0

cat > "$d/make.py" <<'EOF'
import json
print(json.dumps({
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {"publicKey": {"hint": "a"}, "tlogEntries": [], "timestampVerificationData": {"rfc3161Timestamps": []}},
    "dsseEnvelope": {"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": "+/8=", "keyid": ""}]},
}))
EOF
cat > "$d/read.py" <<'EOF'
import sys
from sigstore_models.bundle.v1 import Bundle
try:
    Bundle.from_json(sys.stdin.read())
    print("read")
except ValueError as error:
    print("; ".join(".".join(map(str, e["loc"])) + ": " + e["type"] for e in error.errors()))
EOF
cat > "$d/js.mjs" <<'EOF'
import { readFileSync } from "node:fs";
import { bundleFromJSON, bundleToJSON } from "@sigstore/bundle";
console.log(JSON.stringify(bundleToJSON(bundleFromJSON(JSON.parse(readFileSync(0, "utf8"))))));
EOF
python3 "$d/make.py" > "$d/bundle"
node "$d/js.mjs" < "$d/bundle" > "$d/rewritten"
sed 's#+/8=#-_8=#' "$d/bundle" > "$d/urlsafe"
seen=$(
    for file in bundle rewritten urlsafe; do echo "python, $file: $("$d/venv/bin/python" "$d/read.py" < "$d/$file")"; done
    echo "js, urlsafe: $(node "$d/js.mjs" < "$d/urlsafe" | grep -o '"sig":"[^"]*"')"
)
echo "$seen"

expected=$(cat <<'EOF'
python, bundle: read
python, rewritten: verificationMaterial.tlogEntries: missing
python, urlsafe: dsseEnvelope.signatures.0.sig: value_error
js, urlsafe: "sig":"+/8="
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "sigstore-bundle-without-log-entries: changed. Bundles pass between Python and JavaScript otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "sigstore-bundle-without-log-entries: as described"
