"""The PHP SDK: its own tests, its examples against this Plasm, and the same verdicts as Python's."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from mesh.processes import QUIC, NodeProcess
from sdk.available import SDK, Php, needs
from vectors import make

import plasm
from plasm.errors import InvalidInput, PlasmError
from plasm.model import Invocation, Limits, Manifest, Mount, PeerId, Sha256
from plasm.model.manifest import canonical
from plasm.receipts import LegacyReceipt, Receipt, read
from world import ROOT

pytestmark = pytest.mark.once

HERE = Path(__file__).parent


def test_its_own_tests_pass(run: Php) -> None:
    needs("phpunit")
    done = run("phpunit", cwd=SDK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^OK\b", done.stdout, re.MULTILINE), done.stdout


def test_it_has_the_version_of_plasm() -> None:
    assert json.loads((SDK / "composer.json").read_text())["version"] == plasm.__version__


def test_the_local_example_holds(run: Php, examples: Path) -> None:
    done = run("php", examples / "local_test.php")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all of it holds\n")
    assert "FAILED" not in done.stdout


def test_the_local_example_fails_without_plasm(run: Php, examples: Path) -> None:
    done = run("php", examples / "local_test.php", "/no/such/plasm")
    assert done.returncode == 1
    assert "error[invalid-input]: there is no command" in done.stdout


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder whose path is short enough for the address of a socket."""
    folder = Path(tempfile.mkdtemp(prefix="plasm-"))
    yield folder
    shutil.rmtree(folder)


def test_the_remote_example_holds(run: Php, examples: Path, home: Path) -> None:
    node = NodeProcess(home, "--listen", QUIC, "--discovery", "none", "--workers", "1")
    try:
        done = run("php", examples / "remote_test.php", home / "run" / "control.sock", cwd=examples)
    finally:
        node.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all of it holds\n")


def test_the_remote_example_holds_on_a_peer(run: Php, examples: Path, home: Path) -> None:
    options = "--listen", QUIC, "--discovery", "none", "--workers", "1"
    node, peer = NodeProcess(home / "node", *options), NodeProcess(home / "peer", *options)
    try:
        program = "php", examples / "remote_test.php", home / "node" / "run" / "control.sock", peer.address
        done = run("timeout", "10", *program)
    finally:
        node.stop()
        peer.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "that is another node" in done.stdout


def test_what_its_readme_shows_works(run: Php, tmp_path: Path) -> None:
    needs("composer")
    readme = (SDK / "README.md").read_text()
    (install,) = re.findall(r"```console\n(.*?)```", readme, re.DOTALL)
    project = tmp_path / "project"
    project.mkdir()
    (project / "composer.json").write_text('{"repositories": [{"packagist.org": false}]}')
    for line in re.findall(r"^\$ (.*)$", install, re.MULTILINE):
        done = run("sh", "-c", line.replace("/path/to/plasm", str(ROOT)), cwd=project)
        assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "examples" / "hello" / "hello.wasm", project)
    first, *others = re.findall(r"```php\n(.*?)```", readme, re.DOTALL)
    (project / "first.php").write_text(first)
    done = run("php", "first.php", cwd=project)
    assert re.fullmatch(r"dlroW ,olleH\n exited with code 0 on 12D3KooW\w{44}\n", done.stdout), (
        done.stdout + done.stderr
    )
    for number, other in enumerate(others):
        (project / f"{number}.php").write_text(other if other.startswith("<?php") else f"<?php\n{other}")
        assert run("php", "-l", f"{number}.php", cwd=project).returncode == 0, other


# ---- The same verdicts as Python's ----


def mutated(chance: random.Random, text: str) -> str:
    """``text`` with a few of the changes that a reader of JSON may take amiss or not."""
    pieces = re.findall(r'"[^"]*"|-?\d+|.', text)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        position = chance.randrange(len(pieces))
        pieces[position] = chance.choice(
            (
                lambda piece: "",
                lambda piece: piece + piece,
                lambda piece: piece + "," + piece,
                lambda piece: f" {piece}\t\r\n",
                lambda piece: f"[{piece}]",
                lambda piece: chance.choice(pieces),
                lambda piece: chance.choice(WORDS),
                lambda piece: piece.swapcase(),
                lambda piece: re.sub(r"\w", lambda found: f"\\u{ord(found[0]):04x}", piece, count=1),
            )
        )(pieces[position])
    return "".join(pieces)


WORDS = (
    *("-0", "0", "1", "-1", "00", "1.0", "1e2", "1E+2", "9007199254740991", "9007199254740992", "-9007199254740992"),
    *("18446744073709551616", "4294967295", "4294967296", "65535", "65536", "NaN", "-Infinity", "true", "null", "{}"),
    *("[]", '""', '" "', '"é"', '"\\u00a0"', '"\\ud83c\\udf0d"', '"\\ud800"', '"\\u0000"', '"\\/"', "\x00", "\ufeff"),
    *('"stdout"', '"stderr"', '["stdout"]', '"exited"', '"trapped"', '"other"', '"2024-02-29T00:00:00.000000Z"'),
    *('"/x"', '"fuel":1', '"fuel":0,', '"trap":"other",', '"cpuTimeMs":1,', '"1":1', "\n", ",", ":", "{", "}", '"'),
)


def candidates() -> Iterator[bytes]:
    chance = random.Random(6)
    payloads = [make.encode(receipt).decode() for receipt in make.receipts().values()]
    for vectors in make.documents().values():
        for vector in vectors:
            if "receipt" in vector:
                yield vector["receipt"].encode()
    for payload in payloads:
        for _ in range(700):
            yield signed(mutated(chance, payload).encode("utf-8", "surrogatepass"))
        for _ in range(200):
            yield mutated(chance, signed(payload.encode()).decode()).encode()
            yield mutated(
                chance, make.legacy_vector("", LegacyReceipt.of(make.receipts()["exited"]))["receipt"]
            ).encode()
    for key in ("exit_code", "wall_time_ms", "timestamp"):
        legacy = LegacyReceipt.of(make.receipts()["exited"])
        name = {"timestamp": "finished_s"}.get(key, key)
        for value in (-(2**31) - 1, -(2**31), -1, 0, 2**32 - 1, 2**32, 2**53 - 1, 2**53):
            yield make.issue_legacy(attrs.evolve(legacy, **{name: value}), make.SIGNER)


def signed(payload: bytes) -> bytes:
    signature = make.SIGNER.sign(make.pae(make.PAYLOAD_TYPE, payload))
    return bytes(make.Envelope(payload, make.PAYLOAD_TYPE, str(make.SIGNER.peer_id), signature).to_json())


def verdict(data: bytes) -> dict[str, Any]:
    try:
        return {"claims": plain(read(data))}
    except PlasmError as error:
        return {"code": error.code}


def plain(value: object) -> Any:
    """A value of the model as ``verdicts.php`` writes it."""
    if isinstance(value, Receipt):
        fields = {name: getattr(value, name) for name in attrs.fields_dict(Receipt)}
        fields["subjects"] = {subject.name: subject.sha256 for subject in value.subjects}
        return {camel(name): plain(each) for name, each in fields.items()}
    if isinstance(value, PeerId):
        return str(value)
    if attrs.has(type(value)):
        return {camel(each.name): plain(getattr(value, each.name)) for each in attrs.fields(type(value))}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def test_php_and_python_say_the_same_of_each_receipt(run: Php) -> None:
    needs()
    receipts = list(candidates())
    lines = b"".join(base64.b64encode(receipt) + b"\n" for receipt in receipts).decode()
    done = run("php", HERE / "verdicts.php", SDK, input=lines)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(receipts)
    kinds = set()
    for receipt, php in zip(receipts, found, strict=True):
        python = verdict(receipt)
        assert php == python, receipt
        kinds.add(python.get("code", "holds"))
    assert kinds == {"holds", "invalid-receipt", "verification-failed"}
    assert sum("claims" in php for php in found) > 200, "too few of them hold to say much"


def a_manifest(chance: random.Random) -> dict[str, Any]:
    """The fields of a manifest that a job may have, or may not."""
    characters = "aZ09 /\\\"'<>&\t\n\x00\x01\x1f\x7f\u00e9\u2028\ufeff\U0001f30d"

    def text() -> str:
        return "".join(chance.choices(characters, k=chance.randrange(8))).replace("\0", chance.choice(("", "", "\0")))

    names = ("0", "1", "10", "A", "a", "B", "_", "~", "a b", "a=b", "é", "")
    number = chance.choice((None, None, -1, 0, 1, 2**20, 2**53 - 1, 2**53))
    return {
        "module": chance.choice(("ab" * 32,) * 9 + ("AB" * 32,)),
        "args": [text() for _ in range(chance.randrange(3))],
        "env": {name: text() for name in chance.sample(names[: chance.choice((7, 7, 12))], k=chance.randrange(5))},
        "mounts": [
            (chance.choice(("/a", "/b/c", "/ü", "/z", "x", "/../")), chance.random() < 0.5)
            for _ in range(chance.choice((0, 0, 1, 2)))
        ],
        "limits": {
            "memory": chance.choice((2**16, 2**30, 2**32, 2**33)),
            "fuel": number,
            "cpu_time": chance.choice((None, number)),
        },
        "runtime": chance.choice((None, "wasmtime")),
        "deterministic": chance.random() < 0.3,
        "seed": chance.choice((0, 0, 0, 7)),
    }


def test_php_and_python_digest_the_same_of_each_manifest(run: Php) -> None:
    needs()
    chance = random.Random(6)
    lines, expected = [], []
    for _ in range(3000):
        fields = a_manifest(chance)
        try:
            mounts = sorted((Mount(*mount) for mount in fields["mounts"]), key=lambda mount: mount.guest)
            invocation = Invocation(fields["args"], fields["env"], mounts)
            named = {name: fields[name] for name in ("runtime", "deterministic", "seed")}
            manifest = Manifest(Sha256(fields["module"]), invocation, Limits(**fields["limits"]), **named)
            expected.append([base64.b64encode(canonical(manifest)).decode(), manifest.digest()])
        except InvalidInput:
            expected.append(None)
        limits = {"wall_time": 300_000, "output": 64 * 2**20, "files": 2**30, **fields["limits"]}
        mounted = [{"guest": guest, "read_only": read_only} for guest, read_only in fields["mounts"]]
        called = {"args": fields["args"], "env": fields["env"], "mounts": mounted}
        lines.append(json.dumps({**fields, "limits": limits, "invocation": called, "clock": 0}))
    done = run("php", HERE / "manifests.php", SDK, input="".join(line + "\n" for line in lines))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert len([one for one in expected if one]) > 400
