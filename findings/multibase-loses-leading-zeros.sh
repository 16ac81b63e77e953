#!/usr/bin/env bash
# py-multibase 2.0.0 (PyPI) against multiformats 14.0.5 (npm).
# Expected: multibase text of the same bytes is the same in every language, and decoding gives the bytes back.
# Seen: py-multibase turns the bytes into one large number for base58btc, base58flickr, base36, base2, base8, base10
# and base32z. Zero bytes in front vanish, silently, in encoding and in decoding what others wrote; base32z differs
# even without any. base16 loses them in decoding only; base32 and base64 agree.
# Why it matters: one SHA-256 digest in 256 begins with a zero byte, and so does every identity multihash (libp2p's
# Ed25519 peer ids are one). Such a value comes back short, or under another name, and a test with one sample does not
# show it.
# Source: the multibase specification (base58: one "1" for each leading zero byte; base32z: z-base-32, RFC 4648's bit
# order).
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check py-multibase==2.0.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" multiformats@14.0.5

cat > "$d/python.py" <<'EOF'
import sys, multibase
for line in sys.stdin:
    name, theirs = line.split()
    data = bytes.fromhex("0000a1b2c3")
    ours = multibase.encode(name, data).decode()
    try:
        back = multibase.decode(theirs).hex()
    except Exception as error:
        back = type(error).__name__
    print(name, "same" if ours == theirs else "differs:", "" if ours == theirs else f"{ours} and {theirs},", "decodes to", back)
EOF
cat > "$d/js.mjs" <<'EOF'
import { bases } from "multiformats/basics";
for (const name of ["base16", "base32", "base64url", "base58btc", "base58flickr", "base36", "base2", "base8", "base10", "base32z"])
  console.log(name, bases[name].encode(Uint8Array.of(0x00, 0x00, 0xa1, 0xb2, 0xc3)));
EOF
seen=$(node "$d/js.mjs" | "$d/venv/bin/python" "$d/python.py")
echo "$seen"

expected=$(cat <<'EOF'
base16 same  decodes to a1b2c3
base32 same  decodes to 0000a1b2c3
base64url same  decodes to 0000a1b2c3
base58btc differs: zwK8v and z11wK8v, decodes to a1b2c3
base58flickr differs: ZWj8V and Z11Wj8V, decodes to a1b2c3
base36 differs: k6b4qr and k006b4qr, decodes to a1b2c3
base2 differs: 0101000011011001011000011 and 00000000000000000101000011011001011000011, decodes to a1b2c3
base8 differs: 750331303 and 700000241545414, decodes to 0286cb0c
base10 differs: 910597059 and 90010597059, decodes to a1b2c3
base32z differs: hkdcsd and hyyykdcsd, decodes to a1b2c3
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "multibase-loses-leading-zeros: changed. py-multibase and multiformats agree or disagree elsewhere."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "multibase-loses-leading-zeros: as described"
