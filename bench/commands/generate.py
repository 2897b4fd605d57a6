"""`oneblock generate`: what a model writes, computed by one backend."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import BACKEND, DTYPE, FORM, OPS_SET
from oneblock.bench.commands._options import FORM_HELP, MODEL
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say, say_on
from oneblock.bench.runs.chatting import in_template
from oneblock.bench.runs.forms import form_of
from oneblock.bench.runs.generation import Speed, greedy, opened
from oneblock.compilers.api.kind import Kind


@command(
    "generate",
    'oneblock generate --model smollm2 "The capital of France is"',
    'oneblock generate --model smollm2 --backend jax_xla --tokens 16 --chat "What is a compiler?"',
)
@MODEL(name="model", required=True)
@click.option("--backend", default="reference", type=BACKEND, show_default=True, help="Who computes the blocks.")
@click.option("--tokens", type=click.IntRange(1), default=32, show_default=True, help="To write at most.")
@click.option("--dtype", default="float32", type=DTYPE, show_default=True, help="float32, bfloat16, float16.")
@click.option("--form", default="layers", type=FORM, show_default=True, help=FORM_HELP)
@click.option("--ops", default="plain", type=OPS_SET, show_default=True, help="Ops set of the blocks, of both phases.")
@click.option("--chat", is_flag=True, help="Put the model's chat template around PROMPT, as of a user's message.")
@click.argument("prompt")
@json_option
def COMMAND(
    model: Path, backend: str, tokens: int, dtype: str, ops: str, form: str, chat: bool, prompt: str, as_json: bool
) -> None:
    """Write what follows PROMPT, the likeliest token each time, until the model ends the text.

    The backend compiles one block for a prompt and one for a token, and is called for each layer with its weights, then
    for the last norm and the head. By the form `whole` a token is one call of one program, of all layers,
    last norm and head. PROMPT is taken as it is, or within the model's template by --chat. The speed is said behind the
    text: of what had its cores, or not at all.
    """
    checkpoint, tokenizer = opened(model, dtype)
    asked = in_template(checkpoint.path, prompt) if chat else prompt
    read = tokenizer.tokens(asked, templated=chat)
    decoder = form_of(form)(checkpoint, backend, ops)
    written: list[int] = []
    shown, speed = "", Speed(len(read))
    try:
        for token in greedy(decoder, read, tokens, tokenizer.ends, speed):
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
        found = {"prompt_tokens": read.tolist(), "tokens": written, "text": text, "ended": len(written) < tokens}
        answer(
            {
                **found,
                "kind": Kind.MEASURED,
                "prefill_s": speed.prefill_s,
                "decode_s": speed.decode_s,
                "steps": [one._asdict() for one in speed.steps],
            }
        )
    else:
        say(text[len(shown) :])
        note(str(speed))
