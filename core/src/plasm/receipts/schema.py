"""The JSON Schema (draft 2020-12) of the statement inside a receipt, for readers that are not this one.

It says as much of :func:`plasm.receipts.statement.decode` as a schema can say.  What it cannot: that no two subjects
share a name, that a moment is one of the calendar, and that ``1.0`` is no whole number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import attrs

from plasm.model import Limits, Outcome, OutcomeKind, TrapKind, Usage
from plasm.model.limits import (
    MAX_FILE_BYTES,
    MAX_FUEL,
    MAX_MEMORY_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_TIME_MS,
    WASM_PAGE_BYTES,
)
from plasm.model.quantities import MAX_SAFE_INTEGER
from plasm.receipts._fields import MAX_TEXT_LENGTH
from plasm.receipts.statement import PREDICATE_TYPE, STATEMENT_TYPE, STREAMS, Receipt

Schema = dict[str, Any]

_PEER_ID: Final = {"type": "string", "pattern": "^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$"}
_MOMENT: Final = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z$",
}
_TEXT: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT_LENGTH,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
}


def receipt_schema() -> Schema:
    """The schema of a receipt's statement."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": PREDICATE_TYPE,
        "title": "Plasm receipt",
        **_object(
            _type={"const": STATEMENT_TYPE},
            predicateType={"const": PREDICATE_TYPE},
            subject=_subjects(),
            predicate=_predicate(),
        ),
    }


def _subjects() -> Schema:
    name = {**_TEXT, "anyOf": [{"enum": list(STREAMS)}, {"pattern": "^/"}]}
    return {
        "type": "array",
        "items": _object(name=name, digest=_digest(Receipt, "subjects")),
        "uniqueItems": True,
        "allOf": [{"contains": {"properties": {"name": {"const": stream}}}} for stream in STREAMS],
    }


def _predicate() -> Schema:
    return _object(
        job=_object(
            id=_documented(_hexadecimal(32), Receipt, "job_id"),
            manifest=_object(digest=_digest(Receipt, "manifest")),
            nonce=_documented(_hexadecimal(64), Receipt, "nonce"),
        ),
        module=_object(digest=_digest(Receipt, "module"), size=_documented(_count(), Receipt, "module_size")),
        stdin=_object(digest=_digest(Receipt, "stdin"), size=_documented(_count(), Receipt, "stdin_size")),
        outcome=_outcome(),
        usage=_object(
            wallTimeUs=_documented(_count(), Usage, "wall_time_us"),
            cpuTimeUs_=_documented(_count(), Usage, "cpu_time_us"),
            peakMemory_=_documented(_count(), Usage, "peak_memory"),
            fuel_=_documented(_count(), Usage, "fuel"),
        ),
        limits=_object(
            memory=_documented(_count(WASM_PAGE_BYTES, MAX_MEMORY_BYTES), Limits, "memory"),
            fuel_=_documented(_count(1, MAX_FUEL), Limits, "fuel"),
            wallTimeMs=_documented(_count(1, MAX_TIME_MS), Limits, "wall_time"),
            cpuTimeMs_=_documented(_count(1, MAX_TIME_MS), Limits, "cpu_time"),
            output=_documented(_count(0, MAX_OUTPUT_BYTES), Limits, "output"),
            files=_documented(_count(0, MAX_FILE_BYTES), Limits, "files"),
        ),
        runtime=_object(
            name=_documented(_TEXT, Receipt, "runtime_name"), version=_documented(_TEXT, Receipt, "runtime_version")
        ),
        platform=_object(arch=_documented(_TEXT, Receipt, "arch")),
        node=_object(peerId=_documented(_PEER_ID, Receipt, "node")),
        startedOn={**_MOMENT, "description": "Start by the node's clock, in UTC."},
        finishedOn={**_MOMENT, "description": "End by the node's clock, in UTC."},
        truncated=_documented(
            {"type": "array", "items": {"enum": list(STREAMS)}, "uniqueItems": True}, Receipt, "truncated"
        ),
    )


def _outcome() -> Schema:
    fields = _object(
        kind=_documented(_one_of(OutcomeKind), Outcome, "kind"),
        exitCode_=_documented(_count(0, 2**32 - 1), Outcome, "exit_code"),
        trap_=_documented(_one_of(TrapKind), Outcome, "trap"),
    )
    return {**fields, "allOf": [_only_with(OutcomeKind.EXITED, "exitCode"), _only_with(OutcomeKind.TRAPPED, "trap")]}


def _only_with(kind: OutcomeKind, name: str) -> Schema:
    """The field ``name`` is there exactly when the outcome is of this ``kind``."""
    return {
        "if": {"properties": {"kind": {"const": kind.value}}},
        "then": {"required": [name]},
        "else": {"properties": {name: False}},
    }


def _object(**fields: Schema) -> Schema:
    """An object of exactly these fields; a name that ends in an underscore is of a field that may be left out."""
    optional = {name for name in fields if name.endswith("_")}
    return {
        "type": "object",
        "properties": {name.removesuffix("_"): schema for name, schema in fields.items()},
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }


def _documented(schema: Schema, cls: type[attrs.AttrsInstance], name: str) -> Schema:
    return {**schema, "description": attrs.fields_dict(cls)[name].metadata["doc"]}


def _digest(cls: type[attrs.AttrsInstance], name: str) -> Schema:
    return _documented(_object(sha256=_hexadecimal(64)), cls, name)


def _hexadecimal(digits: int) -> Schema:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{digits}}}$"}


def _count(low: int = 0, high: int = MAX_SAFE_INTEGER) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _one_of(choices: type[StrEnum]) -> Schema:
    return {"enum": [choice.value for choice in choices]}
