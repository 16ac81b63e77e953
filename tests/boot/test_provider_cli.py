"""``plasm provide`` as people and services run it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot.provided import CONTENT, PATIENCE_S, Repository, repository

from world import Plasm, plasm_environment

pytestmark = pytest.mark.once


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return repository(tmp_path / "repo")


@contextmanager
def provide(repo: Repository, *options: str, files: str = "-Sn 1024") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command at work, with the limit of open files that ``ulimit`` is told, and the URL that it says."""
    command = ["sh", "-c", f'ulimit {files} && exec "$@"', "sh", sys.executable, "-m", "plasm"]
    command += ["provide", str(repo.path), "--discovery", "none", "--json", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plasm_environment()
    ) as process:
        try:
            assert process.stdout
            document = ""
            while not document.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else ""
                document += line
            (url,) = json.loads(document)["urls"]
            yield process, url
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(repo: Repository, number: signal.Signals) -> None:
    with provide(repo, "--listen", "127.0.0.1:0") as (process, url):
        with urllib.request.urlopen(f"{url}/artifacts/{repo.artifact}", timeout=PATIENCE_S) as response:
            assert response.read() == CONTENT
        process.send_signal(number)
        rest, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert rest == ""
    events = [json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")]
    assert events == ["listening", "draining", "stopped"]
    assert f"is served at {url}" in said


def test_a_second_signal_ends_it_at_once(repo: Repository) -> None:
    large = repo.add(bytes(2**26))
    with provide(repo, "--listen", "127.0.0.1:0", "--grace", "1000") as (process, url):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(f"GET /artifacts/{large} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            assert connection.recv(1000)
            process.send_signal(signal.SIGTERM)
            assert process.stderr
            while "draining" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


def begin(url: str, path: str) -> socket.socket:
    """A download of which nothing but the beginning is read."""
    connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=PATIENCE_S)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return connection


def test_as_many_are_served_as_it_says_whatever_the_soft_limit_of_open_files(repo: Repository) -> None:
    large = repo.add(bytes(2**26))
    options = ("--listen", "127.0.0.1:0", "--connections", "101", "--per-client", "101")
    with provide(repo, *options, files="-Sn 128") as (_, url), ExitStack() as downloads:
        for _ in range(100):
            download = downloads.enter_context(begin(url, f"/artifacts/{large}"))
            assert download.recv(12) == b"HTTP/1.1 200"
        with urllib.request.urlopen(f"{url}/artifacts/{repo.artifact}", timeout=PATIENCE_S) as response:
            assert response.read() == CONTENT


def test_fewer_are_served_where_the_hard_limit_of_open_files_is_low(repo: Repository) -> None:
    large = repo.add(bytes(2**26))
    with provide(repo, "--listen", "127.0.0.1:0", files="-n 262") as (process, url):
        with begin(url, f"/artifacts/{large}") as one, begin(url, f"/artifacts/{large}") as other:
            assert [each.recv(12) for each in (one, other)] == [b"HTTP/1.1 200"] * 2
            with begin(url, "/health") as third:
                assert third.recv(12) == b"HTTP/1.1 503"
        assert process.stderr
        assert "only 2 connections at once are served, not 512" in process.stderr.readline()


def test_metrics_are_served_where_it_is_said(repo: Repository) -> None:
    with provide(repo, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0") as (process, _):
        assert process.stderr
        page = json.loads(process.stderr.readline())["address"]
        with urllib.request.urlopen(page, timeout=PATIENCE_S) as response:
            assert b"plasm_provider_connections 0.0" in response.read()


def refused(plasm: Plasm, *arguments: object) -> tuple[str, str]:
    """The code and the message of the error that the command ends with."""
    done = plasm("provide", *arguments, "--discovery", "none", "--json")
    assert done.returncode == 125
    error = json.loads(done.stdout)["error"]
    assert error["hint"]
    assert b"Traceback" not in done.stderr
    return error["code"], error["message"]


def test_bad_input_is_named(plasm: Plasm, repo: Repository, tmp_path: Path) -> None:
    code, message = refused(plasm, tmp_path / "missing")
    assert (code, "missing" in message) == ("unreadable-input", True)
    code, message = refused(plasm, tmp_path)
    assert (code, "is not a repository" in message) == ("invalid-input", True)
    assert refused(plasm, repo.path, "--listen", "nowhere")[0] == "invalid-input"
    assert refused(plasm, repo.path, "--announce", "https://192.0.2.7")[0] == "invalid-input"
    assert refused(plasm, repo.path, "--metrics", "192.0.2.7:9465")[0] == "invalid-input"
    assert refused(plasm, repo.path, "--listen", "192.0.2.7:8380")[0] == "address-unavailable"


def test_a_port_that_is_taken_is_named(plasm: Plasm, repo: Repository) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, message = refused(plasm, repo.path, "--listen", f"127.0.0.1:{port}")
        assert (code, f"127.0.0.1:{port}" in message) == ("address-unavailable", True)
        assert refused(plasm, repo.path, "--listen", "127.0.0.1:0", "--metrics", f"127.0.0.1:{port}")[0] == (
            "address-unavailable"
        )


def test_a_discovery_that_is_not_installed_is_named(plasm: Plasm, repo: Repository) -> None:
    done = plasm("provide", repo.path, "--listen", "127.0.0.1:0", "--discovery", "nosuch", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (125, "plugin-not-found")


def test_the_help_has_examples(plasm: Plasm) -> None:
    done = plasm("provide", "--help")
    assert done.returncode == 0
    assert b"plasm provide repo/" in done.stdout
