"""`oneblock schema`: the JSON Schema of a record."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.records.reading import adapter


@command(
    "schema",
    "oneblock schema > record.schema.json",
)
@json_option
def COMMAND(as_json: bool) -> None:
    """Print the JSON Schema of a record."""

    class Generator(GenerateJsonSchema):
        """A number that JSON has no word for is written as a string; see `to_json`."""

        def float_schema(self, schema: Any) -> dict[str, Any]:
            return {"anyOf": [super().float_schema(schema), {"enum": ["NaN", "Infinity", "-Infinity"]}]}

    made = adapter().json_schema(schema_generator=Generator)
    answer({"$schema": "https://json-schema.org/draft/2020-12/schema", **made})
