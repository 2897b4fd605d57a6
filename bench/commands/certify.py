"""`oneblock certify`: whether backends write the same tokens, and where not, why."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option, records_option
from oneblock.bench.commands._completion import BACKEND, DTYPE, FORM
from oneblock.bench.commands._options import FORM_HELP, MODEL
from oneblock.bench.format.out import note
from oneblock.bench.records.certificate import add
from oneblock.bench.records.store import Store
from oneblock.bench.runs.certified import Question
from oneblock.bench.runs.generation import OWN_TEXT
from oneblock.bench.terminal.certificates import tell

_BACKENDS = ("torch_eager", "torch_inductor", "jax_xla", "tvm_relax")


@command(
    "certify",
    "oneblock certify --model smollm2 --prompts 4 --tokens 16",
    "oneblock certify --model smollm2 --backend jax_xla --dtype bfloat16",
)
@MODEL(name="model", required=True)
@click.option("--backend", "backends", multiple=True, type=BACKEND, help=f"[default: {', '.join(_BACKENDS)}]")
@click.option("--text", type=click.Path(path_type=Path), help=f"A file in UTF-8.  [default: {OWN_TEXT}, of Python]")
@click.option("--prompts", type=click.IntRange(1), default=10, show_default=True, help="Pieces of the text.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=16, show_default=True, help="Of each.")
@click.option("--tokens", type=click.IntRange(1), default=32, show_default=True, help="To write behind each.")
@click.option("--dtype", default="float32", type=DTYPE, show_default=True, help="float32, bfloat16, float16.")
@click.option("--form", default="layers", type=FORM, show_default=True, help=FORM_HELP)
@records_option
@json_option
def COMMAND(
    model: Path, backends: tuple[str, ...], text: Path | None, prompts: int, prompt_tokens: int, tokens: int,
    dtype: str, form: str, directory: Path, as_json: bool,
) -> None:  # fmt: skip
    """Say for each backend whether it writes the tokens that NumPy writes in float64, of the weights in the dtype.

    Every position is foreseen from float64's own tokens. A token that differs is explained where float64 finds the two
    nearer than rounding in that dtype may part two logits there: threefold what NumPy's own logits err by, whatever the
    backend's do. Each certificate is kept in RECORDS/certificates, shown by `oneblock report`, and made again by
    `oneblock reproduce`. Exit status 1: some are not explained.
    """
    question = Question(model, dtype, text, prompts, prompt_tokens, tokens, form)
    Store(directory).check_writable()  # rather than after an hour
    found = []
    for one in question.answers(backends or _BACKENDS):
        found.append(one)
        path = add(directory, one)
        if not as_json:
            tell(one)
            note(f"kept in {path}")
    if as_json:
        answer(found)
    if not all(one.holds for one in found):
        raise SystemExit(1)
