"""The forms that a whole model is computed in: what is one program, and how caches are kept."""

from __future__ import annotations

from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.paged_decoding import PagedDecoder
from oneblock.bench.runs.whole_decoding import WholeDecoder
from oneblock.workloads.ops.nearest import unknown

FORMS: dict[str, type[Decoder]] = {"layers": Decoder, "pages": PagedDecoder, "whole": WholeDecoder}


def form_of(name: str) -> type[Decoder]:
    """The decoder of a form; LookupError says which there are."""
    if name not in FORMS:
        raise LookupError(unknown("form", name, [*FORMS]))
    return FORMS[name]
