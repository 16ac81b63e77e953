#!/usr/bin/env bash
# pluggy 1.7.0 (PyPI).
# Expected: an implementation that takes a hook's argument by keyword only gets it, since hooks are called by keyword
# only; or registering it fails, as it does for a name that the specification lacks.
# Seen: it is registered and check_pending is content. The call then fails with a TypeError about a missing argument;
# with a default the default is what it gets, always, in silence. **kwargs is empty. A functools.partial marked as an
# implementation is not registered at all.
# Why it matters: keyword-only arguments are how one writes a function that is only called by keyword. A plugin so
# written passes its check at start and fails, or decides by its default, at the first job.
# Source: pluggy's docs say that arguments may be left out, and nothing of these; it reads positional names only.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check pluggy==1.7.0

cat > "$d/python.py" <<'EOF'
import functools, pluggy
spec, impl = pluggy.HookspecMarker("jobs"), pluggy.HookimplMarker("jobs")

class Spec:
    @spec
    def admit(self, job, peer): ...

class Plain:
    @impl
    def admit(self, job, peer): return job, peer

class KeywordOnly:
    @impl
    def admit(self, *, job, peer): return job, peer

class Default:
    @impl
    def admit(self, job, *, peer="nobody"): return job, peer

class Rest:
    @impl
    def admit(self, **rest): return rest

class Partial:
    admit = impl(functools.partial(lambda extra, job, peer: (job, peer), 1))

class Unknown:
    @impl
    def admit(self, job, host): return job, host

for plugin in (Plain, KeywordOnly, Default, Rest, Partial, Unknown):
    manager = pluggy.PluginManager("jobs")
    manager.add_hookspecs(Spec)
    at = "registered"
    try:
        manager.register(plugin())
        manager.check_pending()
        at = "called"
        result = manager.hook.admit(job=1, peer="a")
    except Exception as error:
        result = type(error).__name__
    print(plugin.__name__, at, result)
EOF
seen=$("$d/venv/bin/python" "$d/python.py")
echo "$seen"

expected=$(cat <<'EOF'
Plain called [(1, 'a')]
KeywordOnly called TypeError
Default called [(1, 'nobody')]
Rest called [{}]
Partial called []
Unknown registered PluginValidationError
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "hooks-with-keyword-only-arguments: changed. pluggy passes or checks arguments otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "hooks-with-keyword-only-arguments: as described"
