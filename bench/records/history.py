"""Older schemas: how a record that an earlier oneblock wrote becomes one of the schema of today.

What a schema added is absent in those before it, and its default says so. What a schema changed is converted here.
"""

from __future__ import annotations

from typing import Any

from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.old_facts import with_calls
from oneblock.bench.records.record import SCHEMA

# What a family stood for before a configuration said it by itself.
_LLAMA = {"norm": "rms_norm", "activation": "silu", "gated": True}
_GPT2 = {"norm": "layer_norm", "activation": "gelu", "gated": False}
_BIASES = ("qkv_bias", "proj_bias", "mlp_bias")
_FORMS = {"llama": _LLAMA | dict.fromkeys(_BIASES, False), "gpt2": _GPT2 | dict.fromkeys(_BIASES, True)}


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of any schema up to today's, as it stands in JSON, as one of today's."""
    if record["schema"] < 6:
        record = _six(record)
    if record["schema"] < 7:
        record = record | {"doubts": [{"cause": Cause.UNTOLD, "words": words} for words in record["doubts"]]}
    return record | {"schema": SCHEMA}


def _six(record: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 5 or older as one of 6."""
    cell, facts, environment = record["cell"], record.get("facts"), record["environment"]
    config = cell["case"]["config"]
    config = config | _FORMS.get(config.get("family"), {})
    software = dict(environment["software"])
    if cell["ops_set"] != "tuned":
        software.pop("tuned_sha256", None)  # of all schedules on the machine, none of which it was given
    return record | {
        "family": config.get("family"),
        "cell": cell | {"case": cell["case"] | {"config": config}},
        "facts": with_calls(facts) if facts is not None else None,
        "environment": environment | {"software": software},
    }
