#!/bin/sh
# From nothing to a machine that has booted into Plasm, in an emulator, and a receipt of it that is verified here:
#     examples/boot-demo.sh [FOLDER]
# Keys, systems, image and repository are in FOLDER (build/boot-demo unless given), and what is there is used again.
# Minutes the first time, for a small Debian is fetched and composed.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
folder=${1:-build/boot-demo}
port=${PLASM_DEMO_PORT:-8380}
mkdir -p "$folder"

provider= machine=
trap 'kill $provider $machine 2>/dev/null || true; wait' EXIT
say() { printf '\n== %s\n' "$*"; }

if ! [ -e "$folder/keys/root.json" ]; then
    say "Keys: the root's sign the others, and an image trusts nothing else"
    plasm boot keys init "$folder/keys"
fi
if ! [ -e "$folder/build/image.qcow2" ]; then
    say "A system for local mode, and an image that finds it"
    plasm boot build --mode local --root "$folder/keys/root.json" --effort 6 "$folder/build"
fi
if ! [ -e "$folder/repo" ]; then
    say "The system, signed and published"
    plasm boot publish "$folder/build" --repo "$folder/repo" --keys "$folder/keys" --channel stable
fi

say "A provider on this machine, which is 10.0.2.2 for the emulated one"
plasm provide "$folder/repo" --listen "127.0.0.1:$port" --discovery none 2> "$folder/provider.log" &
provider=$!
until grep -q "is served" "$folder/provider.log"; do
    kill -0 "$provider" 2>/dev/null || { cat "$folder/provider.log" >&2; exit 1; }
    sleep 0.1
done

say "The machine, from its firmware on"
mkfifo "$folder/console.pipe" 2>/dev/null || true
plasm boot run "$folder/build/image.qcow2" --snapshot --append "phase.provider=http://10.0.2.2:$port" \
    < /dev/null > "$folder/console.pipe" 2> "$folder/machine.log" &
machine=$!
sed '/^phase: receipt END/q' < "$folder/console.pipe" | tee "$folder/console.log"
kill "$machine" 2>/dev/null || true

say "Its receipt, verified here"
tr -d '\r' < "$folder/console.log" | sed -n '/^phase: receipt BEGIN/,/^phase: receipt END/p' | sed '1d;$d' \
    | base64 -d > "$folder/receipt.json"
node=$(tr -d '\r' < "$folder/console.log" | sed -n 's/^phase: node //p')
plasm verify "$folder/receipt.json" --signer "$node" --module examples/hello/hello.wasm
