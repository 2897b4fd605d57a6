"""`oneblock schema`: the JSON Schema of a record."""

from __future__ import annotations

from typing import Any

import click
from pydantic.json_schema import GenerateJsonSchema

from oneblock.bench.commands._app import answer, json_option
from oneblock.bench.records.reading import adapter


@click.command("schema")
@json_option
def COMMAND(as_json: bool) -> None:
    """Print the JSON Schema of a record."""

    class Generator(GenerateJsonSchema):
        """A number that JSON has no word for is written as a string; see `to_json`."""

        def float_schema(self, schema: Any) -> dict[str, Any]:
            return {"anyOf": [super().float_schema(schema), {"enum": ["NaN", "Infinity", "-Infinity"]}]}

    made = adapter().json_schema(schema_generator=Generator)
    answer({"$schema": "https://json-schema.org/draft/2020-12/schema", **made})
