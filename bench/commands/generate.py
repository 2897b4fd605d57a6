"""`oneblock generate`: what a model writes, computed by one backend."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import BACKEND, DTYPE
from oneblock.bench.commands._options import MODEL
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import say, say_on
from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.generation import greedy, opened


@command(
    "generate",
    'oneblock generate --model smollm2 "The capital of France is"',
    'oneblock generate --model smollm2 --backend jax_xla --tokens 16 "The capital of France is"',
)
@MODEL(name="model", required=True)
@click.option("--backend", default="reference", type=BACKEND, show_default=True, help="Who computes the blocks.")
@click.option("--tokens", type=click.IntRange(1), default=32, show_default=True, help="To write at most.")
@click.option("--dtype", default="float32", type=DTYPE, show_default=True, help="float32, bfloat16, float16.")
@click.argument("prompt")
@json_option
def COMMAND(model: Path, backend: str, tokens: int, dtype: str, prompt: str, as_json: bool) -> None:
    """Write what follows PROMPT, the likeliest token each time, until the model ends the text.

    The backend compiles one block for a prompt and one for a token, and is called for each layer with its weights;
    embedding, last norm and head are NumPy's. PROMPT is taken as it is: no chat template is put around it. No speed is
    said: the caches go through the host between tokens, which no engine does.
    """
    checkpoint, tokenizer = opened(model, dtype)
    read = tokenizer.tokens(prompt)
    decoder = Decoder(checkpoint, backend)
    written: list[int] = []
    shown = ""
    try:
        for token in greedy(decoder, read, tokens, tokenizer.ends):
            written.append(token)
            text = tokenizer.text(written)
            if not as_json and not text.endswith("\ufffd"):  # of which bytes are to come
                say_on(text[len(shown) :])
                shown = text
    except KeyboardInterrupt:
        say("") if shown else None
        raise Refused(f"interrupted after {len(written)} tokens", 130) from None
    text = tokenizer.text(written)
    if as_json:
        answer({"prompt_tokens": read.tolist(), "tokens": written, "text": text, "ended": len(written) < tokens})
    else:
        say(text[len(shown) :])
