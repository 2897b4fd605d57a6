"""The page's scripts and style: files beside this one and of sections, joined, so that the page needs no other file."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from oneblock.bench.records.files import write_whole
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.folders import cache_folder

HERE = Path(__file__).parent
# In this order, the sections' own before the last: what comes later uses what comes before.
SCRIPTS = ("tables", "stages", "syntax", "words", "diff", "pane", "views")
_LARGEST_BYTES = 2**26  # of the kept script, which has 1 MB
_DIGITS = 64  # of the SHA-256 that stands before a kept script


@cache
def own_script(names: tuple[str, ...]) -> str:
    """All of it for a page of these sections, to be one <script>: a policy names each by its hash, and one is enough.

    In a function of its own, since the plots' script has names of one and two letters for itself.
    """
    files = [HERE / "assets" / f"{name}.js" for name in SCRIPTS]
    parts = [file.read_text(encoding="utf-8") for file in (*files, *_of(names, "section.js"), HERE / "assets/draw.js")]
    return "\n".join(['(() => { "use strict";', *parts, "})();"])


def has_script(names: tuple[str, ...]) -> bool:
    """Whether any of these sections has a script of its own."""
    return bool(_of(names, "section.js"))


@cache
def own_style(names: tuple[str, ...]) -> str:
    """The style of a page of these sections."""
    files = (HERE / "assets" / "page.css", *_of(names, "section.css"))
    return "".join(file.read_text(encoding="utf-8") for file in files)


def _of(names: tuple[str, ...], file: str) -> list[Path]:
    return [path for name in names if (path := HERE / "sections" / name / file).is_file()]


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one text, so that a page needs no network.

    To join them takes seconds, so the text is kept in the user's cache folder, under the version that made it.
    """
    kept = cache_folder() / f"vega-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError, UnicodeDecodeError):  # absent or damaged: made again
        text = read_plain(kept, _LARGEST_BYTES).decode()
        if text.startswith(digest := hashlib.sha256(text[_DIGITS:].encode()).hexdigest()) and digest:
            return text[_DIGITS:]
    return _joined(kept)


def _joined(kept: Path) -> str:
    import vl_convert  # a library of 60 MB: only where the text is not kept yet

    text = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    with contextlib.suppress(OSError):  # a cache that cannot be kept is made again
        write_whole(kept, (hashlib.sha256(text.encode()).hexdigest() + text).encode())
    return text


def policy_hash(text: str) -> str:
    """The name by which a page's policy lets one script run: any other, however it came there, is refused."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
