"""The boot manifest's form: what is one and what is not, by the parser and by the schema alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

pytest.importorskip("plasm_boot")

from jsonschema import Draft202012Validator

from plasm_boot.errors import InvalidBootManifest
from plasm_boot.manifest import BootManifest

ARTIFACT = {"hash": f"sha256:{'0a' * 32}", "size": 1, "urls": ["artifacts/0a"]}
SCHEMA = json.loads(resources.files("plasm_boot").joinpath("manifest.schema.json").read_text())


def document() -> dict[str, Any]:
    return {
        "manifest_version": 1,
        "version": 3,
        "channel": "stable",
        "arch": "x86_64",
        "mode": "local",
        "created_at": "2026-11-24T12:00:00Z",
        "expires_at": "2027-02-22T12:00:00Z",
        "artifacts": {name: dict(ARTIFACT) for name in ("kernel", "initramfs", "rootfs")},
        "cmdline": "console=ttyS0",
    }


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def urls(*values: object) -> Callable[[dict[str, Any]], None]:
    return put("artifacts", "kernel", "urls", value=list(values))


GOOD = {
    "as it is": lambda _: None,
    "device trees": put("artifacts", "dtbs", value={"bcm2711-rpi-4-b.dtb": dict(ARTIFACT)}),
    "no device trees": put("artifacts", "dtbs", value={}),
    "an empty command line": put("cmdline", value=""),
    "addresses": urls(
        "a", "a/b.c/d_e", "http://a/b", "https://a.example:8443/b/c", "http://[::1]:1/b%20c", "http://192.0.2.7"
    ),
    "the largest version": put("version", value=2**53 - 1),
    "the largest artifact": put("artifacts", "rootfs", "size", value=8 * 1024**3),
}
BAD = {
    "another form": put("manifest_version", value=2),
    "a form that is no number": put("manifest_version", value="1"),
    "version 0": put("version", value=0),
    "a version that is true": put("version", value=True),
    "too large a version": put("version", value=2**53),
    "a version as text": put("version", value="3"),
    "a channel with a slash": put("channel", value="stable/.."),
    "a mode in capitals": put("mode", value="Local"),
    "an empty architecture": put("arch", value=""),
    "a time without a zone": put("created_at", value="2026-11-24T12:00:00"),
    "a time with a fraction": put("created_at", value="2026-11-24T12:00:00.5Z"),
    "a time in short": put("expires_at", value="2026-1-4T2:00:00Z"),
    "a time as a number": put("expires_at", value=1764000000),
    "an unknown field": put("comment", value=""),
    "an unknown artifact": put("artifacts", "firmware", value=ARTIFACT),
    "no artifacts": put("artifacts", value={}),
    "artifacts in a list": put("artifacts", value=[]),
    "device trees in a list": put("artifacts", "dtbs", value=[]),
    "a device tree elsewhere": put("artifacts", "dtbs", value={"../x": dict(ARTIFACT)}),
    "another digest": put("artifacts", "kernel", "hash", value="sha512:00"),
    "a digest in capitals": put("artifacts", "kernel", "hash", value=f"sha256:{'0A' * 32}"),
    "nothing in it": put("artifacts", "kernel", "size", value=0),
    "too large an artifact": put("artifacts", "kernel", "size", value=8 * 1024**3 + 1),
    "a size with a fraction": put("artifacts", "kernel", "size", value=1.5),
    "nowhere": urls(),
    "everywhere": urls(*["a"] * 17),
    "an absolute path": urls("/a"),
    "a path that leads up": urls("a/../b"),
    "a hidden file": urls("a/.b"),
    "another scheme": urls("file:///etc/passwd"),
    "somebody's password": urls("http://user:password@a/b"),
    "a query": urls("http://a/b?c"),
    "no host": urls("http:///b"),
    "a number for an address": urls(3),
    "a command line with two lines": put("cmdline", value="quiet\ninit=/bin/sh"),
    "too long a command line": put("cmdline", value="a" * 2049),
    "a command line in a list": put("cmdline", value=["quiet"]),
}


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    made = document()
    change(made)
    return made


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD)
def test_what_is_a_manifest_is_taken_and_written_again(change: Callable[[dict[str, Any]], None]) -> None:
    given = changed(change)
    Draft202012Validator(SCHEMA).validate(given)
    manifest = BootManifest.from_bytes(json.dumps(given).encode())
    Draft202012Validator(SCHEMA).validate(json.loads(manifest.to_bytes()))
    assert BootManifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_what_is_none_is_refused_by_the_parser_and_by_the_schema(change: Callable[[dict[str, Any]], None]) -> None:
    given = changed(change)
    assert not Draft202012Validator(SCHEMA).is_valid(given)
    with pytest.raises(InvalidBootManifest):
        BootManifest.from_bytes(json.dumps(given).encode())


@pytest.mark.parametrize("field", list(document()))
def test_every_field_is_needed(field: str) -> None:
    given = document()
    del given[field]
    assert not Draft202012Validator(SCHEMA).is_valid(given)
    with pytest.raises(InvalidBootManifest, match=field):
        BootManifest.from_bytes(json.dumps(given).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 200_000, b" " * 300_000, b'"a"'])
def test_other_bytes_are_no_manifest(data: bytes) -> None:
    with pytest.raises(InvalidBootManifest):
        BootManifest.from_bytes(data)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
