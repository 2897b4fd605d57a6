"""`oneblock schema`: the JSON Schema of a record."""

from __future__ import annotations

import click

from oneblock.bench._cli import answer, json_option


@click.command("schema")
@json_option
def COMMAND(as_json: bool) -> None:
    """Print the JSON Schema of a record."""
    from oneblock.bench._store import adapter

    answer({"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter().json_schema()})
