#!/usr/bin/env bash
# multiaddr 0.2.0 (PyPI) against @multiformats/multiaddr 13.0.3 (npm).
# Expected: str() of a multiaddr, parsed again, is the same address; two different addresses have two texts.
# Seen: in Python /unix/%2Frun%2Fa.sock (an absolute path) and /unix/run%2Fa.sock (a relative one) are two addresses
# with one text, /unix/run/a.sock, which parses as the relative one. JavaScript keeps the text as it was and refuses
# the unescaped one that Python prints.
# Why it matters: an address of a control socket that goes through a log, a config file or JSON as text names another
# file afterwards, one below the working folder; and a JavaScript peer cannot read it at all.
# Source: multiaddr's specification: slashes in a path are percent-encoded in the human-readable form.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check multiaddr==0.2.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" @multiformats/multiaddr@13.0.3

cat > "$d/python.py" <<'EOF'
from multiaddr import Multiaddr
for text in ("/unix/%2Frun%2Fa.sock", "/unix/run%2Fa.sock"):
    address = Multiaddr(text)
    again = Multiaddr(str(address))
    print("python", text, "->", address, "equal" if again == address else "another address", again.to_bytes()[3:].decode())
EOF
cat > "$d/js.mjs" <<'EOF'
import { multiaddr } from "@multiformats/multiaddr";
for (const text of ["/unix/%2Frun%2Fa.sock", "/unix/run%2Fa.sock", "/unix/run/a.sock"])
  try { console.log("js", text, "->", multiaddr(text).toString()); } catch (error) { console.log("js", text, "->", error.name); }
EOF
seen=$("$d/venv/bin/python" "$d/python.py"; node "$d/js.mjs")
echo "$seen"

expected=$(cat <<'EOF'
python /unix/%2Frun%2Fa.sock -> /unix/run/a.sock another address run/a.sock
python /unix/run%2Fa.sock -> /unix/run/a.sock equal run/a.sock
js /unix/%2Frun%2Fa.sock -> /unix/%2Frun%2Fa.sock
js /unix/run%2Fa.sock -> /unix/run%2Fa.sock
js /unix/run/a.sock -> UnknownProtocolError
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "multiaddr-unix-path-loses-its-slash: changed. The text of Unix socket addresses is another."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "multiaddr-unix-path-loses-its-slash: as described"
