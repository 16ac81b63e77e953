"""What a receipt says, and its JSON: an in-toto Statement v1 whose predicate type is ``PREDICATE_TYPE``.

    {"_type": "https://in-toto.io/Statement/v1",
     "predicateType": "https://plasm.dev/receipt/v1",
     "subject": [{"name", "digest": {"sha256"}}],
     "predicate": {"job": {"id", "manifest": {"digest": {"sha256"}}, "nonce"},
                   "module": {"digest": {"sha256"}, "size"},
                   "stdin": {"digest": {"sha256"}, "size"},
                   "outcome": {"kind", "exitCode"?, "trap"?},
                   "usage": {"wallTimeUs", "cpuTimeUs"?, "peakMemory"?, "fuel"?},
                   "limits": {"memory", "fuel"?, "wallTimeMs", "cpuTimeMs"?, "output", "files"},
                   "runtime": {"name", "version"},
                   "platform": {"arch"},
                   "node": {"peerId"},
                   "startedOn", "finishedOn", "truncated": []}}

A field marked ``?`` is left out where it has no value; every other one is there, and no others are.  Written with
sorted keys and no spaces, so that equal receipts are equal bytes.  Numbers stay below 2^53.
"""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import field, frozen

from plasm.model import Limits, Outcome, OutcomeKind, PeerId, Sha256, TrapKind, Usage
from plasm.receipts._fields import Fields, count, exactly, hexadecimal, invalid, load, one_of, text
from plasm.receipts._moments import format_moment, parse_moment

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://plasm.dev/receipt/v1"
STREAMS: Final = ("stdout", "stderr")


@frozen
class Subject:
    """One output of a job: ``stdout``, ``stderr``, or a file by its absolute path inside the sandbox."""

    name: str
    sha256: Sha256


@frozen
class Receipt:
    """What a node claims about one execution.  Plain claims: only verifying makes them the node's."""

    subjects: tuple[Subject, ...] = field(metadata={"doc": "stdout, stderr and each output file."})
    job_id: str = field(metadata={"doc": "32 lower-case hex digits."})
    manifest: Sha256 = field(metadata={"doc": "Digest of the job manifest."})
    nonce: str = field(metadata={"doc": "64 lower-case hex digits that the client chose for this job."})
    module: Sha256 = field(metadata={"doc": "Digest of the module's bytes."})
    module_size: int = field(metadata={"doc": "Bytes of the module."})
    stdin: Sha256 = field(metadata={"doc": "Digest of the first stdin_size bytes of the input."})
    stdin_size: int = field(metadata={"doc": "Bytes of the input that were handed to the job."})
    outcome: Outcome = field(metadata={"doc": "How the execution ended."})
    usage: Usage = field(metadata={"doc": "What it used."})
    limits: Limits = field(metadata={"doc": "What it was allowed to use."})
    runtime_name: str = field(metadata={"doc": "The runtime, by its plugin's name."})
    runtime_version: str = field(metadata={"doc": "Version of the runtime's engine."})
    arch: str = field(metadata={"doc": "The machine's architecture, like x86_64."})
    node: PeerId = field(metadata={"doc": "The node that ran the job and signs."})
    started_us: int = field(metadata={"doc": "Start by the node's clock, microseconds since the Unix epoch."})
    finished_us: int = field(metadata={"doc": "End by the node's clock, microseconds since the Unix epoch."})
    truncated: tuple[str, ...] = field(
        default=(), metadata={"doc": "The streams whose end was cut off by the output limit."}
    )


def encode(receipt: Receipt) -> bytes:
    """``receipt`` as the JSON of a statement.  Writes what it is given; :func:`decode` is what checks."""
    return json.dumps(as_document(receipt), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def as_document(receipt: Receipt) -> dict[str, Any]:
    """``receipt`` as the document that its JSON writes down."""
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [{"name": subject.name, **_digest(subject.sha256)} for subject in receipt.subjects],
        "predicate": {
            "job": {"id": receipt.job_id, "manifest": _digest(receipt.manifest), "nonce": receipt.nonce},
            "module": {**_digest(receipt.module), "size": receipt.module_size},
            "stdin": {**_digest(receipt.stdin), "size": receipt.stdin_size},
            "outcome": _present(
                kind=receipt.outcome.kind, exitCode=receipt.outcome.exit_code, trap=receipt.outcome.trap
            ),
            "usage": _present(
                wallTimeUs=receipt.usage.wall_time_us,
                cpuTimeUs=receipt.usage.cpu_time_us,
                peakMemory=receipt.usage.peak_memory,
                fuel=receipt.usage.fuel,
            ),
            "limits": _present(
                memory=receipt.limits.memory,
                fuel=receipt.limits.fuel,
                wallTimeMs=receipt.limits.wall_time,
                cpuTimeMs=receipt.limits.cpu_time,
                output=receipt.limits.output,
                files=receipt.limits.files,
            ),
            "runtime": {"name": receipt.runtime_name, "version": receipt.runtime_version},
            "platform": {"arch": receipt.arch},
            "node": {"peerId": str(receipt.node)},
            "startedOn": format_moment(receipt.started_us),
            "finishedOn": format_moment(receipt.finished_us),
            "truncated": list(receipt.truncated),
        },
    }


def decode(payload: bytes) -> Receipt:
    """The inverse of :func:`encode`, for statements that anybody may have written.

    Raises:
        InvalidReceipt: a field unknown, missing or not of its form; the message has its path.
    """
    with Fields(load(payload), "statement") as statement:
        statement.take("_type", exactly(STATEMENT_TYPE))
        statement.take("predicateType", exactly(PREDICATE_TYPE))
        subjects = _read_subjects(statement.objects("subject"))
        with statement.object("predicate") as predicate:
            job_id, manifest, nonce = _read_job(predicate.object("job"))
            module, module_size = _read_content(predicate.object("module"))
            stdin, stdin_size = _read_content(predicate.object("stdin"))
            runtime_name, runtime_version = _read_runtime(predicate.object("runtime"))
            with predicate.object("platform") as platform:
                arch = platform.take("arch", text)
            with predicate.object("node") as node:
                peer = PeerId.parse(node.take("peerId", text))
            return Receipt(
                subjects=subjects,
                job_id=job_id,
                manifest=manifest,
                nonce=nonce,
                module=module,
                module_size=module_size,
                stdin=stdin,
                stdin_size=stdin_size,
                outcome=_read_outcome(predicate.object("outcome")),
                usage=_read_usage(predicate.object("usage")),
                limits=_read_limits(predicate.object("limits")),
                runtime_name=runtime_name,
                runtime_version=runtime_version,
                arch=arch,
                node=peer,
                started_us=predicate.take("startedOn", parse_moment),
                finished_us=predicate.take("finishedOn", parse_moment),
                truncated=predicate.take("truncated", _streams),
            )


def _digest(sha256: Sha256) -> dict[str, object]:
    return {"digest": {"sha256": sha256}}


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _read_subjects(items: list[Fields]) -> tuple[Subject, ...]:
    subjects = []
    for item in items:
        with item:
            subjects.append(Subject(item.take("name", _subject_name), _read_digest(item.object("digest"))))
    names = [subject.name for subject in subjects]
    if len(set(names)) != len(names):
        raise invalid("statement.subject has one name more than once")
    if not set(STREAMS) <= set(names):
        raise invalid("statement.subject must have stdout and stderr")
    return tuple(subjects)


def _read_digest(fields: Fields) -> Sha256:
    with fields:
        return Sha256(fields.take("sha256", hexadecimal(64)))


def _read_content(fields: Fields) -> tuple[Sha256, int]:
    with fields:
        return _read_digest(fields.object("digest")), fields.take("size", count)


def _read_job(fields: Fields) -> tuple[str, Sha256, str]:
    with fields:
        with fields.object("manifest") as manifest:
            digest = _read_digest(manifest.object("digest"))
        return fields.take("id", hexadecimal(32)), digest, fields.take("nonce", hexadecimal(64))


def _read_outcome(fields: Fields) -> Outcome:
    with fields:
        return Outcome(
            fields.take("kind", one_of(OutcomeKind)),
            exit_code=fields.take_if_present("exitCode", count),
            trap=fields.take_if_present("trap", one_of(TrapKind)),
        )


def _read_usage(fields: Fields) -> Usage:
    with fields:
        return Usage(
            wall_time_us=fields.take("wallTimeUs", count),
            cpu_time_us=fields.take_if_present("cpuTimeUs", count),
            peak_memory=fields.take_if_present("peakMemory", count),
            fuel=fields.take_if_present("fuel", count),
        )


def _read_limits(fields: Fields) -> Limits:
    with fields:
        return Limits(
            memory=fields.take("memory", count),
            fuel=fields.take_if_present("fuel", count),
            wall_time=fields.take("wallTimeMs", count),
            cpu_time=fields.take_if_present("cpuTimeMs", count),
            output=fields.take("output", count),
            files=fields.take("files", count),
        )


def _read_runtime(fields: Fields) -> tuple[str, str]:
    with fields:
        return fields.take("name", text), fields.take("version", text)


def _subject_name(value: object) -> str:
    name = text(value)
    if name not in STREAMS and not name.startswith("/"):
        raise ValueError("stdout, stderr or an absolute path")
    return name


def _streams(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or any(name not in STREAMS or value.count(name) > 1 for name in value):
        raise ValueError("an array of stdout and stderr, each at most once")
    return tuple(value)
