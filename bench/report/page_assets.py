"""The page's own script and style: files beside this one, joined, so that the page needs no other file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

# In this order: what comes later uses what comes before.
SCRIPTS = ("tables", "stages", "syntax", "diff", "pane", "views", "explorer", "draw")


@cache
def own_script() -> str:
    """All of it, to be one <script>: a policy names each by its hash, and one hash is enough.

    In a function of its own, since the plots' script has names of one and two letters for itself.
    """
    here = Path(__file__).parent / "assets"
    parts = [(here / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(['(() => { "use strict";', *parts, "})();"])


@cache
def own_style() -> str:
    """The style of the parts that the script builds."""
    return (Path(__file__).parent / "assets" / "page.css").read_text(encoding="utf-8")
