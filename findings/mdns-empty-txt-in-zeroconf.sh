#!/usr/bin/env bash
# zeroconf 0.154.0 (PyPI), TXT records of DNS-SD.
# Expected: a service without attributes has no properties; names are compared without case, and the first of two
# counts.
# Seen: the record that RFC 6763 prescribes for "no attributes", one zero byte, is read as a property with an empty
# name, {b'': None}, so properties is not empty. An item "=x", to be ignored, is a property too. "Arch" and "arch" are
# two properties, and looking one up does not find the other.
# Sending itself, zeroconf writes no byte at all, which the RFC rules out.
# Why it matters: whoever follows the RFC sends the zero byte; "if info.properties" then is true. And a peer that
# writes "Arch=" is not found by who looks up b"arch".
# Source: RFC 6763, sections 6.1 (empty records) and 6.4 (missing names ignored, case-insensitive, first one counts).
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check zeroconf==0.154.0

cat > "$d/python.py" <<'EOF'
from zeroconf import ServiceInfo
for text in (b"", b"\0", b"\2=x\3k=v", b"\6Arch=1\6arch=2", b"\3k=1\3k=2"):
    info = ServiceInfo("_job._udp.local.", "a._job._udp.local.", port=1, properties=text)
    print(text, info.properties, bool(info.properties))
print("sends", ServiceInfo("_job._udp.local.", "a._job._udp.local.", port=1, properties={}).dns_text().text)
EOF
seen=$("$d/venv/bin/python" "$d/python.py")
echo "$seen"

expected=$(cat <<'EOF'
b'' {} False
b'\x00' {b'': None} True
b'\x02=x\x03k=v' {b'': b'x', b'k': b'v'} True
b'\x06Arch=1\x06arch=2' {b'Arch': b'1', b'arch': b'2'} True
b'\x03k=1\x03k=2' {b'k': b'1'} True
sends b''
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "mdns-empty-txt-in-zeroconf: changed. zeroconf reads TXT records otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "mdns-empty-txt-in-zeroconf: as described"
