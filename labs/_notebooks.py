"""Notebooks, generated from the labs' py:percent sources: `python -m oneblock.labs._notebooks` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oneblock.bench.lessons.notebook import parsed, written

LABS = Path(__file__).parent
_METADATA = "# jupyter: "

# Run after the last cell of a notebook that is executed as a proof: its check takes the truth, and nothing else.
PROOF = """
TRUTH = truths(COMPILED, SHARDED)
check(TRUTH, TRUTH)
for question in TRUTH:
    try:
        check({**TRUTH, question: -1}, TRUTH)
    except AssertionError:
        continue
    raise RuntimeError(f"a wrong answer to {question} was taken for right")
"""


def sources() -> list[Path]:
    """The labs that have a notebook."""
    return sorted(path for path in LABS.glob("[!_]*.py") if path.read_text(encoding="utf-8").startswith(_METADATA))


def target(source: Path) -> Path:
    """Where the notebook of a source is kept."""
    return LABS / "notebooks" / f"{source.stem}.ipynb"


def text(source: Path) -> str:
    """The notebook's file; what metadata it has of its own is in the first line of the source."""
    whole = source.read_text(encoding="utf-8")
    metadata = json.loads(whole.splitlines()[0].removeprefix(_METADATA))
    return written(source.stem, parsed(whole), **metadata)


def execute(source: Path, folder: Path) -> Path:
    """Run every cell of a notebook in a folder, then the proof that its check bites; the file with its outputs."""
    import nbformat
    from nbclient import NotebookClient

    run = nbformat.reads(text(source), as_version=4)
    run.cells.append(nbformat.v4.new_code_cell(PROOF, id="proof"))
    kept = folder / f"{source.stem}.ipynb"
    try:
        NotebookClient(run, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        nbformat.write(run, kept)  # what was printed before a cell failed tells why
    return kept


def main(arguments: list[str]) -> None:
    """Write the notebooks; with --execute FOLDER run them there instead."""
    if arguments[:1] == ["--execute"] and len(arguments) == 2:
        made = [execute(source, Path(arguments[1])) for source in sources()]
    elif not arguments:
        made = [target(source) for source in sources()]
        for source, path in zip(sources(), made, strict=True):
            path.write_text(text(source), encoding="utf-8")
    else:
        raise SystemExit(f"expected nothing, or --execute FOLDER; got {' '.join(arguments)}")
    print(*made, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
