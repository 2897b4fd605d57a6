"""`oneblock perplexity`: how well a model foresees a text, computed by one backend."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import BACKEND, DTYPE
from oneblock.bench.commands._options import MODEL
from oneblock.bench.format.out import say
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.generation import OWN_TEXT, opened, perplexity, text_of


@command("perplexity", "oneblock perplexity --model smollm2 --tokens 512")
@MODEL(name="model", required=True)
@click.option("--backend", default="reference", type=BACKEND, show_default=True, help="Who computes the blocks.")
@click.option("--text", type=click.Path(path_type=Path), help=f"A file in UTF-8.  [default: {OWN_TEXT}, of Python]")
@click.option("--tokens", type=click.IntRange(2), default=2048, show_default=True, help="Of the text, the first.")
@click.option("--dtype", default="float32", type=DTYPE, show_default=True, help="float32, bfloat16, float16.")
@json_option
def COMMAND(model: Path, backend: str, text: Path | None, tokens: int, dtype: str, as_json: bool) -> None:
    """Say the perplexity of a text under a model, each token foreseen from those before it in one prefill.

    The backend compiles one block, and is called for each layer with its weights; embedding, last norm and head are
    NumPy's. The standard error is that of tokens that do not depend on each other.
    """
    checkpoint, tokenizer = opened(model, dtype)
    found = perplexity(Decoder(checkpoint, backend), tokenizer.tokens(text_of(text))[:tokens])
    if as_json:
        answer(found)
    else:
        whose = f"{found.tokens} tokens of {text or OWN_TEXT}, {dtype}, {backend}"
        say(f"perplexity {found.perplexity:.6g} ± {found.standard_error:.2g} ({whose})")
