"""Run a lab's notebooks in a kernel: `python ci/notebooks.py FOLDER`, of what `oneblock lab notebooks` wrote there.

The starter has to stop at its predictions, and with those guessed at its check; the solution has to pass. Nothing of
oneblock is imported here, since the kernel may be one that has none, as Colab's is, and installs it by its first cell.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

_MOST_S = 900  # of a cell: the first one may install


def ended(book: Any, folder: Path) -> str | None:
    """The tag of the cell at which a notebook said "not yet", None where every cell ran; another error is ours."""
    client = NotebookClient(book, timeout=_MOST_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    try:
        client.execute()
    except CellExecutionError as error:
        if error.ename != "NotYet":
            raise
        stopped = next(cell for cell in book.cells if any(o.output_type == "error" for o in cell.get("outputs", ())))
        return str(stopped.metadata.tags[0])
    return None


def said(book: Any, tag: str) -> str:
    """What the cell of a tag printed."""
    chosen = next(cell for cell in book.cells if tag in cell.metadata.get("tags", ()))
    return "".join(output.get("text", "") for output in chosen.outputs)


def proven(folder: Path, lab: str) -> None:
    """Run the notebooks of a lab; AssertionError where one ends elsewhere than it has to."""
    starter, solved = (nbformat.read(folder / f"{lab}{kind}.ipynb", 4) for kind in ("", "-solution"))
    for kind in ("learner", "teacher"):
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir()
    guesses = next(cell.source for cell in solved.cells if "answer" in cell.metadata.get("tags", ()))
    assert (stopped := ended(starter, folder / "learner")) == "predict", (
        f"nothing was predicted, and {stopped} stopped it"
    )
    next(cell for cell in starter.cells if "answer" in cell.metadata.get("tags", ())).source = guesses
    assert (stopped := ended(starter, folder / "learner")) == "check", f"the starter stopped at {stopped}"
    assert "unanswered" in said(starter, "check"), said(starter, "check")
    assert (stopped := ended(solved, folder / "teacher")) is None, f"the solution stopped at {stopped}"
    assert "\npassed" in said(solved, "check"), said(solved, "check")


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    for name in sorted(path.stem.removesuffix("-solution") for path in place.glob("*-solution.ipynb")):
        proven(place, name)
        print(f"{name}: the starter stops at its predictions and at its check, the solution passes")
