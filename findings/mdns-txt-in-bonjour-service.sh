#!/usr/bin/env bash
# zeroconf 0.154.0 (PyPI) to bonjour-service 1.4.4 (npm), TXT records of DNS-SD.
# Expected: the three forms of a TXT attribute (key=value, key= and key) arrive as they were sent.
# Seen: bonjour-service reads "caps=" as an attribute with the name "caps=", reads "k=line1<newline>line2" only up to
# the newline, drops "t" (a name of one letter without a value), and keeps the last of two equal names instead of the
# first. When it sends, null becomes the text "null" and a Buffer is turned into text first.
# Why it matters: an empty list of capabilities is "caps=" in a record; a JavaScript peer looks for "caps" and
# concludes that the other side is too old to say.
# Source: RFC 6763, section 6.4: a key without "=", with an empty value and with a value are different and all valid.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check zeroconf==0.154.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" bonjour-service@1.4.4

cat > "$d/python.py" <<'EOF'
import json
from zeroconf import ServiceInfo
properties = {"caps": "", "t": None, "go": None, "k": "line1\nline2", "v": "a=b"}
info = ServiceInfo("_job._udp.local.", "a._job._udp.local.", port=1, properties=properties)
text, items = info.text, []
while text:
    items.append(text[1 : 1 + text[0]].decode())
    text = text[1 + text[0] :]
print(json.dumps(items + ["dup=1", "dup=2"]))
EOF
cat > "$d/js.cjs" <<'EOF'
const { DnsTxt } = require("bonjour-service/dist/lib/dns-txt.js");
const items = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const txt = new DnsTxt({});
console.log("sent", JSON.stringify(items));
console.log("read", JSON.stringify(Object.entries(txt.decodeAll(items.map((item) => Buffer.from(item))))));
console.log("writes", JSON.stringify(txt.encode({ a: null, b: Buffer.from([255]) }).map((item) => item.toString("hex"))));
EOF
seen=$("$d/venv/bin/python" "$d/python.py" | node "$d/js.cjs")
echo "$seen"

expected=$(cat <<'EOF'
sent ["caps=","t","go","k=line1\nline2","v=a=b","dup=1","dup=2"]
read [["caps=",null],["go",null],["k","line1"],["v","a=b"],["dup","2"]]
writes ["613d6e756c6c","623defbfbd"]
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "mdns-txt-in-bonjour-service: changed. bonjour-service reads TXT records otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "mdns-txt-in-bonjour-service: as described"
