#!/bin/sh
# Two nodes on this machine, and a job that one of them runs, over QUIC:
#     examples/two-nodes.sh [FOLDER]
# The nodes keep what they have in FOLDER (build/two-nodes unless given) and are ended with the script.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
folder=${1:-build/two-nodes}
mkdir -p "$folder"

nodes=
trap 'kill $nodes 2>/dev/null; wait' EXIT
for number in 1 2; do
    PLASM_HOME="$folder/node$number" plasm start --listen /ip4/127.0.0.1/udp/0/quic-v1 --discovery none \
        2> "$folder/node$number.log" &
    nodes="$nodes $!"
done

peers=
for number in 1 2; do
    until address=$(sed -n 's/^plasm: peers reach it at //p' "$folder/node$number.log") && [ -n "$address" ]; do
        kill -0 $nodes 2>/dev/null || { cat "$folder/node$number.log" >&2; exit 1; }
        sleep 0.1
    done
    echo "node $number is at $address"
    peers="$peers --peer $address"
done

export PLASM_HOME="$folder/client"
plasm peers $peers
plasm submit examples/hello/hello.wasm "Hello, World" $peers --attempts 2 --receipt "$folder/receipt.json"
plasm verify "$folder/receipt.json" --module examples/hello/hello.wasm
