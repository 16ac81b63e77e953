"""The command runs jobs on Wasmer as it does on Wasmtime, and refuses those that need what Wasmer does not give."""

from __future__ import annotations

from pathlib import Path

import pytest

from world import EXAMPLES, Plasm

TABLE = (EXAMPLES / "csvstats" / "weather.csv").read_bytes()
JOBS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "hello": (("Hello, World",), b""),
    "csvstats": ((), TABLE),
    "digest": ((), b""),
}


@pytest.mark.parametrize("name", JOBS)
def test_an_example_ends_alike_on_both_runtimes(plasm: Plasm, name: str) -> None:
    arguments, stdin = JOBS[name]
    wasmtime, wasmer = (
        plasm("run", "--runtime", runtime, EXAMPLES / name / f"{name}.wasm", "--", *arguments, input=stdin)
        for runtime in ("wasmtime", "wasmer")
    )
    assert (wasmer.returncode, wasmer.stdout, wasmer.stderr) == (wasmtime.returncode, wasmtime.stdout, wasmtime.stderr)


def test_a_receipt_of_a_job_on_wasmer_is_valid(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    assert plasm("run", "--runtime", "wasmer", hello, "abc", "--receipt", receipt).stdout == b"cba\n"
    verified = plasm("verify", receipt, "--module", hello)
    assert verified.returncode == 0
    assert b"wasmer 0.5" in verified.stdout


@pytest.mark.parametrize(
    ("options", "manifest", "lacking"),
    [
        (("--dir", "{folder}:/data:ro"), "", "folders"),
        (("--dir", "{folder}:/data"), "", "folders"),
        (("--fuel", "1000"), "", "fuel"),
        ((), "deterministic = true", "determinism"),
    ],
)
def test_what_wasmer_does_not_give_is_refused(
    plasm: Plasm, hello: Path, tmp_path: Path, options: tuple[str, ...], manifest: str, lacking: str
) -> None:
    (tmp_path / "job.toml").write_text(manifest)
    given = [option.format(folder=tmp_path) for option in options]
    done = plasm("run", "--runtime", "wasmer", hello, "abc", "--manifest", tmp_path / "job.toml", *given)
    assert (done.returncode, done.stdout) == (126, b"")
    assert lacking in done.stderr.decode()


def test_a_job_leaves_nothing_but_plasms_own_files(plasm: Plasm, hello: Path, plasm_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "nowhere"
    home.mkdir()
    places = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    for _ in range(2):
        assert plasm("run", "--runtime", "wasmer", hello, "abc", env=places, cwd=home).stdout == b"cba\n"
    assert list(home.iterdir()) == []
    kept = [path for path in plasm_home.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} == {"cache", "wasmer"}, kept
    assert len(kept) == 2, kept
