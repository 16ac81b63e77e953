"""The example modules do what their READMEs say, run as a user runs them: through the command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's environment with ``plasm`` on its path and a home of its own."""
    return os.environ | {
        "PLASM_HOME": str(tmp_path_factory.mktemp("home")),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs an example with ``plasm run``: options are Plasm's, ``args`` are the job's."""

    def run(
        example: str, *args: str, options: tuple[str, ...] = (), stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        input_file = tmp_path / "stdin"
        input_file.write_bytes(stdin)
        module = EXAMPLES / example / f"{example}.wasm"
        return subprocess.run(
            [sys.executable, "-m", "plasm", "run", *options, "--stdin", input_file, module, "--", *args],
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )

    return run


def console_steps(readme: str) -> list[tuple[str, str]]:
    """The commands of a README's console blocks, each with the output shown below it."""
    steps = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            steps.append((command, output))
    return steps


@pytest.mark.parametrize("example", ["hello", "csvstats", "digest"])
def test_a_readme_shows_what_happens(example: str, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    steps = console_steps((EXAMPLES / example / "README.md").read_text())
    assert steps
    for command, output in steps:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout.decode()) == (0, output), (command, done.stderr)


# ---- hello ----


@pytest.mark.parametrize(
    ("text", "reversed_text"),
    [
        ("Hello, World", "dlroW ,olleH"),
        ("", ""),
        ("añ😀€b", "b€😀ña"),
    ],
)
def test_hello_reverses_its_argument_by_code_point(run: Run, text: str, reversed_text: str) -> None:
    done = run("hello", text)
    assert (done.returncode, done.stdout.decode()) == (0, reversed_text + "\n"), done.stderr


def test_hello_reverses_each_line_of_stdin(run: Run) -> None:
    done = run("hello", stdin="abc\n\nd€f\nlast".encode())
    assert (done.returncode, done.stdout.decode()) == (0, "cba\n\nf€d\ntsal"), done.stderr


def test_hello_reverses_a_line_longer_than_its_buffer(run: Run) -> None:
    line = bytes(random.Random(1).choices(b"abcdef", k=200_000))
    done = run("hello", stdin=line + b"\nxy\n")
    assert done.stdout == line[::-1] + b"\nyx\n", done.stderr


@pytest.mark.parametrize(
    "line",
    [b"a\xff", b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
    ids=["stray", "overlong-2", "overlong-3", "surrogate", "overlong-4", "too-high", "cut"],
)
def test_hello_reverses_what_is_not_utf8_by_byte(run: Run, line: bytes) -> None:
    done = run("hello", stdin=line + b"\n")
    assert done.stdout == line[::-1] + b"\n", done.stderr


def test_hello_refuses_a_second_argument(run: Run) -> None:
    done = run("hello", "a", "b")
    assert done.returncode == 2
    assert b"usage: hello [TEXT]" in done.stderr


# ---- csvstats ----


def table(rows: list[list[str]], **dialect: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


def test_csvstats_describes_numbers_text_and_missing_values(run: Run) -> None:
    done = run("csvstats", stdin=table([["city", "°C"], ["Paris", "21.5"], ["Oslo", "-3"], ["Quito", ""]]))
    assert done.stdout.decode().splitlines() == [
        "column  count  missing  min   max  mean       stddev",
        "city        3        0    -     -     -            -",
        "°C          2        1   -3  21.5  9.25  17.32411614",
    ], done.stderr


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csvstats_agrees_with_python(run: Run, line_end: str) -> None:
    chance = random.Random(2)
    columns = {
        "count": [float(chance.randint(-(10**9), 10**9)) for _ in range(500)],
        'a "quoted", name': [chance.gauss(1e6, 1e-3) for _ in range(500)],
        "spread\nover lines": [chance.gauss(0, 1) * 10.0 ** chance.randint(-200, 150) for _ in range(500)],
    }
    rows = [[repr(value) for value in row] for row in zip(*columns.values(), strict=True)]
    done = run("csvstats", "--json", stdin=table([list(columns), *rows], lineterminator=line_end))

    described = json.loads(done.stdout)
    assert described["rows"] == 500
    assert [column["name"] for column in described["columns"]] == list(columns)
    for column, values in zip(described["columns"], columns.values(), strict=True):
        assert (column["count"], column["missing"]) == (500, 0)
        assert (column["min"], column["max"]) == (min(values), max(values))
        assert column["mean"] == pytest.approx(statistics.fmean(values), rel=1e-9)
        assert column["stddev"] == pytest.approx(statistics.stdev(values), rel=1e-6)


def test_csvstats_reads_every_form_of_rfc_4180(run: Run) -> None:
    document = b'\xef\xbb\xbf"n","t"\r\n1,"a ""b"", c"\r\n\r\n" 2 ","\r\n"\r\n3,'
    described = json.loads(run("csvstats", "--json", stdin=document).stdout)
    numbers, text = described["columns"]
    assert described["rows"] == 3
    assert (numbers["name"], numbers["count"], numbers["mean"], numbers["stddev"]) == ("n", 3, 2, 1)
    assert (text["name"], text["count"], text["missing"], text["mean"]) == ("t", 2, 1, None)


def test_csvstats_takes_only_decimal_numbers_for_numbers(run: Run) -> None:
    numbers = ["10", "-1.5", "+.5", "2.", "1e3", "1E-3", " 7\t"]
    others = ["0x10", "nan", "inf", "1e999", "1 2", "1,5", "-", "e", "1\0", "9" * 5000]
    header = [f"column {position}" for position, _ in enumerate(numbers + others)]
    described = json.loads(run("csvstats", "--json", stdin=table([header, numbers + others])).stdout)
    means = [column["mean"] for column in described["columns"]]
    assert means == [float(number) for number in numbers] + [None] * len(others)


def test_csvstats_describes_the_columns_that_are_named(run: Run) -> None:
    done = run("csvstats", "--json", "--delimiter=;", "b", stdin=b"a;b\nx;1\ny;2\n")
    assert [column["name"] for column in json.loads(done.stdout)["columns"]] == ["b"], done.stderr


def test_csvstats_gives_the_same_bytes_each_time(run: Run) -> None:
    document = table([["x"], ["0.1"], ["0.2"], ["0.3"]])
    assert run("csvstats", "--json", stdin=document).stdout == run("csvstats", "--json", stdin=document).stdout


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b"", "line 1: there is no header row"),
        (b"a,b\n1,2\n\n3\n", "line 4: fields in the row: 1, in the header: 2"),
        (b'a,b\n"x\ny",1\n1,2,3\n', "line 4: fields in the row: 3, in the header: 2"),
        (b'a\n1\n"2\n3\n', "line 3: the quote that opens here is never closed"),
        (b'a\n"1"2\n', "line 2: a closing quote is followed by more text"),
        (b'a\n1"2"\n', "line 2: a quote stands inside a field that is not quoted"),
        (b"a\n1\none\n", "line 3: column a: not a number: one"),
    ],
)
def test_csvstats_names_the_line_of_bad_data(run: Run, document: bytes, complaint: str) -> None:
    names = ("a",) if "not a number" in complaint else ()
    done = run("csvstats", *names, stdin=document)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"csvstats: {complaint}\n" in done.stderr.decode()


@pytest.mark.parametrize("args", [["--what"], ["--delimiter="], ['--delimiter="'], ["no such column"]])
def test_csvstats_refuses_wrong_usage(run: Run, args: list[str]) -> None:
    done = run("csvstats", *args, stdin=b"a\n1\n")
    assert done.returncode == 2
    assert b"usage: csvstats" in done.stderr


def test_csvstats_needs_no_more_memory_for_more_input(run: Run) -> None:
    rows = [["id", "text"], *([str(number), "x" * 10_000] for number in range(1000))]
    done = run("csvstats", "--json", options=("--memory", "1MiB"), stdin=table(rows))
    assert json.loads(done.stdout)["columns"][0]["mean"] == 499.5, done.stderr


# ---- digest ----


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of sizes around SHA-256's block, and names that sort and print in ways of their own."""
    root = tmp_path / "tree"
    names = ["b/a b", "b-x/z", "b.txt", "back\\slash", "new\nline", "-dash", "Zürich/é😀"]
    sizes = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 65_535, 65_536, 65_537, 1_000_000]
    contents = {name: name.encode() for name in names}
    contents |= {f"b/sizes/{size}": random.Random(size).randbytes(size) for size in sizes}
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "empty").mkdir()
    return root


def digest_lines(root: Path) -> list[str]:
    """What `sha256sum` prints for the files below ``root``, which are sorted by the bytes of their paths."""
    files = sorted(
        (path for path in root.rglob("*") if path.is_file() and not path.is_symlink()),
        key=lambda p: os.fsencode(p.relative_to(root)),
    )
    lines = []
    for path in files:
        name = str(path.relative_to(root))
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        prefix = "\\" if escaped != name else ""
        lines.append(f"{prefix}{hashlib.sha256(path.read_bytes()).hexdigest()}  {escaped}")
    return lines


def test_digest_prints_what_sha256sum_prints(run: Run, tree: Path) -> None:
    done = run("digest", options=("--dir", f"{tree}:/data:ro"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == digest_lines(tree)


def test_sha256sum_checks_what_digest_prints(run: Run, tree: Path, tmp_path: Path) -> None:
    sums = tmp_path / "sums"
    sums.write_bytes(run("digest", options=("--dir", f"{tree}:/data:ro")).stdout)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", sums], cwd=tree, check=True)


def test_digest_takes_another_folder(run: Run, tree: Path) -> None:
    done = run("digest", "/tree/b", options=("--dir", f"{tree}:/tree:ro"))
    assert done.stdout.decode().splitlines() == digest_lines(tree / "b"), done.stderr


def test_digest_names_and_skips_what_is_not_a_regular_file(run: Run, tree: Path) -> None:
    (tree / "link").symlink_to("b.txt")
    (tree / "folder-link").symlink_to("b")
    os.mkfifo(tree / "pipe")
    done = run("digest", options=("--dir", f"{tree}:/data:ro"))
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, digest_lines(tree))
    for name in ["link", "folder-link", "pipe"]:
        assert f"digest: {name}: skipped, it is not a regular file\n" in done.stderr.decode()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_digest_goes_on_after_an_unreadable_file_and_fails(run: Run, tree: Path) -> None:
    expected = digest_lines(tree)
    (tree / "secret").write_text("secret")
    (tree / "secret").chmod(0)
    done = run("digest", options=("--dir", f"{tree}:/data:ro"))
    assert (done.returncode, done.stdout.decode().splitlines()) == (1, expected)
    assert b"digest: secret: " in done.stderr


def test_digest_fails_without_its_folder(run: Run) -> None:
    done = run("digest")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"digest: /data: " in done.stderr


def test_digest_refuses_a_second_argument(run: Run) -> None:
    done = run("digest", "/data", "/other")
    assert done.returncode == 2
    assert b"usage: digest [FOLDER]" in done.stderr
