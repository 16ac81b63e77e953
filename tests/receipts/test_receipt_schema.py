"""The published JSON Schema takes the statements that this reader takes."""

from __future__ import annotations

import base64
import json
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator

from plasm.receipts import PREDICATE_TYPE
from plasm.receipts.schema import receipt_schema

BEYOND_A_SCHEMA = {"statement-no-such-day", "statement-float"}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(receipt_schema())
    return Draft202012Validator(receipt_schema())


def test_the_schema_has_the_address_of_the_predicate() -> None:
    assert receipt_schema()["$id"] == PREDICATE_TYPE


def test_every_valid_statement_is_taken(validator: Draft202012Validator, receipt_vector: dict[str, str]) -> None:
    validator.validate(json.loads(receipt_vector["payload"]))


def test_every_invalid_statement_is_refused_where_a_schema_can(
    make: ModuleType, validator: Draft202012Validator
) -> None:
    taken = set()
    for name, _, _, receipt in make.invalid_statements():
        statement = json.loads(base64.b64decode(json.loads(receipt)["payload"]))
        if validator.is_valid(statement):
            taken.add(name)
    assert taken == BEYOND_A_SCHEMA


def test_every_field_of_the_predicate_is_described(validator: Draft202012Validator) -> None:
    def undescribed(schema: dict[str, object], path: str) -> list[str]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return [] if "description" in schema else [path]
        if "description" in schema:
            return []
        return [name for key, inner in properties.items() for name in undescribed(inner, f"{path}.{key}")]

    assert undescribed(receipt_schema()["properties"]["predicate"], "predicate") == []
