"""The report's texts: numbers with three digits, and foreign text without what a terminal or a reader would obey."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

# What needs a second look: all but plain ASCII and ranges in which nothing but letters, signs and frames are.
_ODD = re.compile(r"[^\n\t -~\u00a1-\u00ac\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff]")
_BEYOND_ASCII = re.compile(r"[^\n\t -~]")
_TERMINAL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(\x07|\x1b\\))")  # colours, cursor moves, titles


def figures(value: float | None, by: float = 1.0) -> str:
    """Three digits of a value times `by`, the change of unit: "0.412", "41.2", "1,234"; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    value *= by
    if abs(value) >= 99.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"


def plain(text: Any) -> Any:
    """Text without terminal colours; other control characters become visible; what is no text stays what it is."""
    if not isinstance(text, str) or hasattr(text, "__html__") or not _ODD.search(text):  # what is markup stays, too
        return text
    return _ODD.sub(_visible, _TERMINAL.sub("", text))


def visible(text: str) -> str:
    """Text whose control characters are shown as signs, "␛[31m", so that no terminal obeys them."""
    return _ODD.sub(_visible, text)


def escaped(text: str) -> str:
    """JSON with the same values in ASCII: what else there is stands within its texts, and is escaped there."""
    return _BEYOND_ASCII.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _obeyed(character: str) -> bool:
    """Whether a terminal may do something else with it than show it: controls, formats such as bidi, surrogates."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if not _obeyed(character):
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 0x20 else f"⟨U+{ord(character):04X}⟩"
