"""Vega-Lite's specifications as plain data: an encoding a line, and nothing imported.

They are drawn in the page, by the script that travels in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]

INK = "var(--ink)"  # colours are the page's variables: dark, light and print need no second drawing
# What a label is on its axis, for Vega: its words below each other; or in a narrow window the first above the others.
EACH_WORD = "split(datum.label, ' ')"
FIRST_WORD = "width < 400 ? split(replace(datum.label, ' ', '\\n'), '\\n') : datum.label"
FIRST_PART = "width < 400 ? split(datum.label, ':') : datum.label"  # of a target, "tpu:v5e"


def quantity(field: str, **more: Any) -> Spec:
    """A number."""
    return {"field": field, "type": "quantitative", **more}


def name(field: str, **more: Any) -> Spec:
    """A name among others."""
    return {"field": field, "type": "nominal", **more}


def rank(field: str, **more: Any) -> Spec:
    """A place in an order."""
    return {"field": field, "type": "ordinal", **more}


def digits(field: str, **more: Any) -> Spec:
    """A number as a tooltip shows it, with four digits."""
    return quantity(field, format=".4~g", **more)


def log(**more: Any) -> Spec:
    """A logarithmic scale."""
    return {"type": "log", **more}


def mark(kind: str, **more: Any) -> Spec:
    """What stands for a value."""
    return {"type": kind, **more}


def layer(values: Sequence[Any] | None, of: Spec, transform: Sequence[Spec] = (), **encoding: Any) -> Spec:
    """One mark over values; None where the values are those of the whole chart."""
    made: Spec = {"mark": of, "encoding": encoding}
    if values is not None:
        made["data"] = {"values": list(values)}
    if transform:
        made["transform"] = list(transform)
    return made


def heat(values: Sequence[Any], before: Sequence[Spec], shade: str, share: Spec, text: Spec, at: Spec) -> Spec:
    """Squares shaded by a share, with the percentage in each; `at` is where a square stands and what it tells.

    The shade is the opacity of one colour: a ramp between colours could not follow the page's variables into the dark.
    """
    percent = {"calculate": f"round(100 * datum.{shade})", "as": "percent"}
    opacity = {**share, "legend": None, "scale": {"domain": [0, 1], "range": [0.04, 0.85]}}
    box = layer(None, mark("rect", fill="var(--c1)", stroke="var(--paper)"), [*before, percent], **at, opacity=opacity)
    told = [*before, percent, *([text] if text else [])]
    return {
        "data": {"values": list(values)},
        "layer": [box, layer(None, mark("text", fontSize=11), told, **at, text=quantity("percent"))],
    }
