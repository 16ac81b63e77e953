#!/usr/bin/env bash
# tuf-js 5.0.1 (npm, on Node 20 or newer) against tuf 7.0.1 (PyPI) on one repository that python-tuf made and signed.
# Expected: metadata with a 64-bit integer in a target's "custom" verifies in every client, as TUF's canonical JSON
# has integers without a bound; or its writer refuses the integer.
# Seen: python-tuf signs and verifies it. tuf-js says that nobody signed it: it parses the number as a double, and
# what it verifies is the rounded number. The same with two target names that sort otherwise by UTF-16 than by code
# point.
# Why it matters: a time of build in nanoseconds is such an integer, and one target with it makes the whole role, and
# so every target in it, unusable for JavaScript clients. The error speaks of signatures, not of the number.
# Source: OLPC canonical JSON as TUF's specification has it; tuf-js signs what JSON.parse returns, sorted by sort().
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check tuf==7.0.1 'securesystemslib[crypto]==1.6.0'
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" tuf-js@5.0.1

cat > "$d/make.py" <<'EOF'
import datetime, pathlib, sys
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

folder, names, custom = pathlib.Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3]
folder.mkdir()
expires = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=30)
signer = CryptoSigner.generate_ed25519()
root, targets = Root(expires=expires), Targets(expires=expires)
for role in ("root", "timestamp", "snapshot", "targets"):
    root.add_key(signer.public_key, role)
for name in names:
    targets.targets[name] = TargetFile.from_data(name, b"hello")
    targets.targets[name].unrecognized_fields["custom"] = {"built": int(custom)}
files = {"1.root": root, "1.targets": targets, "1.snapshot": Snapshot(expires=expires), "timestamp": Timestamp(expires=expires)}
for file, signed in files.items():
    metadata = Metadata(signed)
    metadata.sign(signer)
    metadata.to_file(str(folder / f"{file}.json"))
EOF
cat > "$d/python.py" <<'EOF'
import pathlib, sys, tempfile
from tuf.ngclient import Updater

url, folder, name = sys.argv[1:]
with tempfile.TemporaryDirectory() as cache:
    updater = Updater(cache, url, bootstrap=pathlib.Path(folder, "1.root.json").read_bytes())
    updater.refresh()
    print("python-tuf", updater.get_targetinfo(name).unrecognized_fields["custom"]["built"])
EOF
cat > "$d/js.mjs" <<'EOF'
import { copyFileSync, mkdtempSync } from "node:fs";
import { Updater } from "tuf-js";
const [, , url, folder, name] = process.argv;
const cache = mkdtempSync(folder + "-js-");
copyFileSync(folder + "/1.root.json", cache + "/root.json");
try {
  const updater = new Updater({ metadataDir: cache, metadataBaseUrl: url });
  await updater.refresh();
  console.log("tuf-js", (await updater.getTargetInfo(name)).custom.built);
} catch (error) {
  console.log("tuf-js", error.message.match(/\w+ was signed by .*keys/)?.[0] ?? error.message);
}
EOF
cat > "$d/serve.py" <<'EOF'
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
handler.func.log_message = lambda *a: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
EOF
mkdir "$d/served"
"$d/venv/bin/python" "$d/make.py" "$d/served/small" a.bin 9007199254740991
"$d/venv/bin/python" "$d/make.py" "$d/served/large" a.bin 1764374400123456789
"$d/venv/bin/python" "$d/make.py" "$d/served/sorted" $'\ufb03.bin \U0001d7d9.bin' 1
exec 3< <(exec python3 "$d/serve.py" "$d/served")
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -rf "$d"' EXIT
read -r port <&3
seen=$(
    for kind in small large sorted; do
        name=a.bin
        [ "$kind" != sorted ] || name=$'\ufb03.bin'
        echo "$kind: $("$d/venv/bin/python" "$d/python.py" "http://127.0.0.1:$port/$kind/" "$d/served/$kind" "$name")"
        echo "$kind: $(node "$d/js.mjs" "http://127.0.0.1:$port/$kind" "$d/served/$kind" "$name")"
    done
)
echo "$seen"

expected=$(cat <<'EOF'
small: python-tuf 9007199254740991
small: tuf-js 9007199254740991
large: python-tuf 1764374400123456789
large: tuf-js targets was signed by 0/1 keys
sorted: python-tuf 1
sorted: tuf-js targets was signed by 0/1 keys
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "tuf-integers-above-2-53: changed. The two TUF clients agree or disagree elsewhere."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "tuf-integers-above-2-53: as described"
