"""Well-known C programs do on every installed runtime what they do natively, byte for byte.

`make breadth` builds each twice from Debian's sources.  Both builds get the same arguments, input and folder; what they
write, how they exit and what they leave in the folder has to be the same.
"""

from __future__ import annotations

import bz2
import gzip
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from world import ROOT, Plasm

BUILDS = ROOT / "build" / "breadth"
SCRIPTS = Path(__file__).parent / "scripts"
PROGRAMS = ("bzip2", "jimsh", "lua", "minigzip", "sqlite3")
BUILT = all((BUILDS / "native" / name).is_file() and (BUILDS / "wasm" / f"{name}.wasm").is_file() for name in PROGRAMS)

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not BUILT, reason="run `make breadth` first: it fetches and builds the programs"),
]

Compare = Callable[..., "subprocess.CompletedProcess[bytes]"]
Content = dict[str, bytes]


@pytest.fixture(params=sorted({point.name for point in entry_points(group="plasm.runtime")}))
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def warm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for all of these tests, so that each module is compiled once."""
    return tmp_path_factory.mktemp("breadth-home")


@pytest.fixture
def compare(plasm: Plasm, runtime: str, warm_home: Path, tmp_path: Path) -> Compare:
    """Runs both builds of a program and returns what they agree on.

    With ``folder`` each gets a copy of it: the native one as its working folder, the job as ``/``.
    """

    def compare(
        program: str, *arguments: str, stdin: bytes = b"", folder: Path | None = None, read_only: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        here, there = tmp_path / "native", tmp_path / "job"
        for copy in (here, there):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy) if folder else copy.mkdir()
        native = subprocess.run(
            [BUILDS / "native" / program, *arguments], cwd=here, env={}, input=stdin, capture_output=True, check=False
        )
        options = ["--dir", f"{there}:/:ro" if read_only else f"{there}:/"] if folder else []
        module = BUILDS / "wasm" / f"{program}.wasm"
        job = plasm(
            *("run", "--runtime", runtime, *options, module, "--", *arguments),
            input=stdin,
            env={"PLASM_HOME": str(warm_home)},
        )
        if b"error[feature-not-provided]" in job.stderr:
            pytest.skip(job.stderr.decode().strip())
        assert (job.stdout, job.returncode) == (native.stdout, native.returncode), job.stderr.decode()
        assert content(there) == content(here)
        return job

    return compare


def content(folder: Path) -> Content:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def script(name: str) -> str:
    return (SCRIPTS / name).read_text()


@pytest.fixture(scope="session")
def prose() -> bytes:
    """Some 400 kB that look like text."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(1, 9))) for _ in range(800)]
    lines = (" ".join(chance.choices(words, k=10)) for _ in range(6500))
    return "\n".join(lines).encode()


@pytest.fixture(scope="session")
def noise() -> bytes:
    """200 kB that cannot be compressed."""
    return random.Random(2).randbytes(200_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


# ---- Lua ----


def test_lua_counts_words(compare: Compare, prose: bytes) -> None:
    assert compare("lua", "-e", f"\n{script('words.lua')}", stdin=prose).stdout.startswith(b"65000 words, ")


def test_lua_speaks_its_language(compare: Compare) -> None:
    job = compare("lua", "-", "one", "two", "drei äöü", stdin=script("language.lua").encode())
    assert (job.returncode, job.stdout.count(b"\n")) == (3, 16)


def test_lua_transforms_json(compare: Compare) -> None:
    document = '{"z": [1, 2.5, -3e2, true, {"deep": [[], {}, "ü"]}], "a": {"b": "c d"}, "empty": []}'
    assert b'"deep"' in compare("lua", "-e", f"\n{script('json.lua')}", stdin=document.encode()).stdout


def test_lua_keeps_files(compare: Compare, folder: Path) -> None:
    shutil.copy(SCRIPTS / "files.lua", folder)
    assert compare("lua", "files.lua", folder=folder).returncode == 0


@pytest.mark.parametrize("fault", ["error('boom')", "local x = nil; x()", "os.exit(9)", "return +"])
def test_lua_exits_as_it_should(compare: Compare, fault: str) -> None:
    assert compare("lua", "-e", f"print('before') {fault}").returncode in {1, 9}


@pytest.mark.parametrize("jump", ["pcall(error, 'caught')", "coroutine.wrap(coroutine.yield)()"])
def test_lua_ends_where_it_would_have_to_jump(plasm: Plasm, jump: str) -> None:
    """Not as it should be: C's long jumps need WebAssembly's exceptions, which jobs do not get."""
    job = plasm("run", BUILDS / "wasm" / "lua.wasm", "--", "-e", f"print('before') {jump} print('after')")
    assert (job.returncode, job.stdout) == (1, b"before\n")
    assert job.stderr.startswith(b"longjmp: ")


# ---- Jim, a Tcl, whose errors need no jumps ----


def test_jim_catches_errors(compare: Compare) -> None:
    job = compare("jimsh", "-", "one", "two words", stdin=script("errors.tcl").encode())
    assert job.returncode == 2
    assert b"at the bottom" in job.stdout


JIM_TESTS = (
    *("apply", "array", "dict", "expr-new", "expr-old", "expr-pow", "filedir", "format", "intexpr", "jim", "list"),
    *("lsearch", "proc", "regcount", "regexp", "scan", "string", "subst", "try", "upvar", "util"),
)
"""The larger of Jim's own tests; not those that start processes, jump or nest deeper than a job's stack."""


@pytest.fixture(scope="module")
def jim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jim's tests and what they load."""
    source, target = BUILDS / "sources" / "jimtcl", tmp_path_factory.mktemp("jim")
    shutil.copytree(source / "tests", target / "tests")
    for library in source.glob("*.tcl"):
        shutil.copy(library, target)
    return target


@pytest.mark.parametrize("name", JIM_TESTS)
def test_jim_passes_the_same_of_its_own_tests(compare: Compare, jim: Path, name: str) -> None:
    assert b"Passed " in compare("jimsh", f"tests/{name}.test", folder=jim).stdout


# ---- bzip2 ----


@pytest.mark.parametrize("level", ["-1", "-9"])
def test_bzip2_compresses(compare: Compare, prose: bytes, noise: bytes, level: str) -> None:
    for data in (b"", prose, noise, bytes(500_000)):
        assert bz2.decompress(compare("bzip2", level, stdin=data).stdout) == data


def test_bzip2_decompresses(compare: Compare, prose: bytes, noise: bytes) -> None:
    packed = bz2.compress(prose) + bz2.compress(noise)
    assert compare("bzip2", "-d", stdin=packed).stdout == prose + noise


def test_bzip2_sees_damage(compare: Compare, prose: bytes) -> None:
    packed = bytearray(bz2.compress(prose))
    packed[len(packed) // 2] ^= 1
    assert compare("bzip2", "-d", stdin=bytes(packed)).returncode == 2
    assert compare("bzip2", "-d", stdin=bytes(packed[:1000])).returncode == 2
    assert compare("bzip2", "-t", stdin=prose).returncode == 2


@pytest.mark.parametrize("sample", ["sample1", "sample2", "sample3"])
def test_bzip2_decompresses_its_own_samples(compare: Compare, sample: str) -> None:
    source = BUILDS / "sources" / "bzip2"
    small = "-s" if sample == "sample3" else "-d"
    job = compare("bzip2", "-d", small, stdin=(source / f"{sample}.bz2").read_bytes())
    assert job.stdout == (source / f"{sample}.ref").read_bytes()


def test_bzip2_puts_packed_files_in_the_place_of_files(compare: Compare, folder: Path, prose: bytes) -> None:
    (folder / "prose.txt").write_bytes(prose)
    (folder / "kept.bz2").write_bytes(bz2.compress(prose))
    compare("bzip2", "prose.txt", folder=folder)
    compare("bzip2", "-dk", "kept.bz2", folder=folder)
    compare("bzip2", "missing", folder=folder)


# ---- zlib ----


@pytest.mark.parametrize("level", ["-1", "-6", "-9"])
def test_minigzip_compresses(compare: Compare, prose: bytes, noise: bytes, level: str) -> None:
    for data in (b"", prose, noise):
        assert gzip.decompress(compare("minigzip", level, stdin=data).stdout) == data


def test_minigzip_decompresses(compare: Compare, prose: bytes) -> None:
    assert compare("minigzip", "-d", stdin=gzip.compress(prose)).stdout == prose


def test_minigzip_puts_packed_files_in_the_place_of_files(compare: Compare, folder: Path, prose: bytes) -> None:
    (folder / "prose.txt").write_bytes(prose)
    compare("minigzip", "prose.txt", folder=folder)
    (folder / "prose.txt.gz").write_bytes(gzip.compress(prose))
    compare("minigzip", "-d", "prose.txt.gz", folder=folder)


# ---- SQLite ----

NO_LOCKS = ("-vfs", "unix-none")
"""WASI has no file locks."""


def test_sqlite_answers_queries_in_memory(compare: Compare) -> None:
    job = compare("sqlite3", stdin=script("queries.sql").encode())
    assert (job.returncode, job.stdout.count(b"\nok\n")) == (1, 1)


@pytest.mark.parametrize("mode", ["csv", "json", "table", "insert", "quote", "html", "markdown"])
def test_sqlite_writes_its_formats(compare: Compare, mode: str) -> None:
    query = "select 1 as a, 'two \"2\"' as b, null as c, 4.5 as d, x'0a' as e union select 2, ',', 'ü', 1e10, ''"
    assert compare("sqlite3", "-cmd", f".mode {mode}", ":memory:", query).stdout


def test_sqlite_keeps_a_database_file(compare: Compare, folder: Path) -> None:
    """The two builds leave the same file, byte for byte."""
    job = compare("sqlite3", *NO_LOCKS, "library.db", stdin=script("library.sql").encode(), folder=folder)
    assert (job.returncode, job.stdout.count(b"\nok\n")) == (0, 1)


def test_sqlite_reads_a_database_in_a_read_only_folder(compare: Compare, folder: Path) -> None:
    made = subprocess.run(
        [BUILDS / "native" / "sqlite3", folder / "library.db"],
        input=script("library.sql").encode(),
        capture_output=True,
        env=os.environ,
        check=True,
    )
    assert made.stdout
    query = "select kind, count(*), sum(at) from event group by kind; insert into event default values;"
    job = compare("sqlite3", *NO_LOCKS, "-readonly", "library.db", query, folder=folder, read_only=True)
    assert (job.returncode, job.stdout.count(b"\n")) == (8, 6)
