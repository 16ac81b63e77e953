#!/bin/sh
# A job from this machine to an arm64 node, and one from there to a node here: the same modules, the same output.
#     examples/two-architectures.sh [FOLDER]
# The arm64 node is an emulated machine that runs a system of Phase Boot.  That and what the nodes have is in FOLDER
# (build/two-architectures unless given), and a system that is there is used again.  Minutes the first time, for a small
# Debian is fetched and set up by emulation, and two until the emulated node answers.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
folder=${1:-build/two-architectures}
port=${PLASM_DEMO_PORT:-4401}
mkdir -p "$folder"

machine= node=
trap 'kill $machine $node 2>/dev/null; wait' EXIT
trap 'exit 1' HUP INT TERM
say() { printf '\n== %s\n' "$*"; }
# await PROCESS LOG PATTERN: what follows the pattern on the first line that has it.
await() {
    until found=$(tr -d '\r' < "$2" | sed -n "s|^.*$3||p" | head -n 1) && [ -n "$found" ]; do
        kill -0 "$1" 2>/dev/null || { cat "$2" >&2; exit 1; }
        sleep 0.2
    done
    echo "$found"
}

if ! [ -e "$folder/build/local/system.json" ]; then
    say "A system for arm64, built here"
    plasm boot build --mode local --arch aarch64 --effort 6 "$folder/build"
fi

say "A node on this machine, which is 10.0.2.2 for the emulated one"
PLASM_HOME="$folder/here" plasm start --listen /ip4/127.0.0.1/tcp/0 --discovery none 2> "$folder/node.log" &
node=$!
here=$(await $node "$folder/node.log" "plasm: peers reach it at ")
echo "$here"

say "The arm64 machine: it starts its node, then sends a job to the one here, and powers off where either fails"
back=$(echo "$here" | sed 's/127\.0\.0\.1/10.0.2.2/')
: > "$folder/console.log"
plasm boot run "$folder/build/local" --forward "$port:4001" --append "systemd.show_status=no \
    systemd.wants=kernel-command-line.service systemd.run_success_action=none systemd.run_failure_action=poweroff \
    systemd.run='systemctl start phase-hello.service' \
    systemd.run='env HOME=/root plasm submit /usr/share/plasm/hello.wasm \"from arm64\" --peer $back'" \
    < /dev/null >> "$folder/console.log" 2>&1 &
machine=$!
there=/ip4/127.0.0.1/tcp/$port/p2p/$(await $machine "$folder/console.log" "phase: node ")
echo "$there"

export PLASM_HOME="$folder/client"
say "Both nodes"
plasm peers --peer "$here" --peer "$there" --discovery none --search 30s

# both NAME MODULE [ARGUMENT…]: the job on each node, outputs compared, receipts verified.
both() {
    name=$1 module=$2
    shift 2
    for arch in x86_64 aarch64; do
        peer=$here
        [ $arch = x86_64 ] || peer=$there
        plasm submit "$module" "$@" --peer "$peer" --receipt "$folder/$name.$arch.json" > "$folder/$name.$arch.out"
        plasm verify "$folder/$name.$arch.json" --module "$module" --signer "${peer##*/}" \
            --stdout "$folder/$name.$arch.out" | grep -E '^(node|runtime|stdout) '
    done
    cmp "$folder/$name.x86_64.out" "$folder/$name.aarch64.out"
    echo "the same output from both: $(wc -c < "$folder/$name.x86_64.out") bytes"
}
say "From here to both: hello"
both hello examples/hello/hello.wasm "from x86_64"
say "From here to both: statistics of 50,000 rows"
seq 50000 | awk 'BEGIN { print "number,root" } { printf "%d,%.9f\n", $1, sqrt($1) }' > "$folder/numbers.csv"
both csvstats examples/csvstats/csvstats.wasm --stdin "$folder/numbers.csv"

say "And back: what the arm64 machine had done here, and verified there"
verified=$(await $machine "$folder/console.log" "env\[[0-9]*\]: plasm: its receipt verifies: ")
echo "$verified"
tr -d '\r' < "$folder/console.log" | sed -n 's/^.*env\[[0-9]*\]: //p' | grep -v '^plasm:' > "$folder/back.out"
job=$(PLASM_HOME="$folder/here" plasm receipts list | awk -v peer="${there##*/}" '$NF == peer { print $1; exit }')
PLASM_HOME="$folder/here" plasm receipts export "$job" "$folder/back.json"
plasm verify "$folder/back.json" --module examples/hello/hello.wasm --signer "${here##*/}" \
    --stdout "$folder/back.out" | grep -E '^(node|runtime|stdout) '
