"""`oneblock schema`: the JSON Schema of a record, or of a certificate."""

from __future__ import annotations

from typing import Any

import click
from pydantic.json_schema import GenerateJsonSchema

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.records.certificate import Certificate
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Record

_OF = {"record": Record, "certificate": Certificate}


@command(
    "schema",
    "oneblock schema > record.schema.json",
    "oneblock schema certificate",
)
@click.argument("of", type=click.Choice([*_OF]), default="record")
@json_option
def COMMAND(of: str, as_json: bool) -> None:
    """Print the JSON Schema of a record of a cell, or of a certificate of tokens."""

    class Generator(GenerateJsonSchema):
        """A number that JSON has no word for is written as a string; see `to_json`."""

        def float_schema(self, schema: Any) -> dict[str, Any]:
            return {"anyOf": [super().float_schema(schema), {"enum": ["NaN", "Infinity", "-Infinity"]}]}

    made = adapter(_OF[of]).json_schema(schema_generator=Generator)
    answer({"$schema": "https://json-schema.org/draft/2020-12/schema", **made})
