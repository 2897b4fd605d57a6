"""The report's texts: numbers with three digits, and foreign text without what a terminal or a reader would obey."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

_ODD = re.compile(r"[^\n\t -~]")  # what may need a second look: all but plain ASCII
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


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 0x20 else f"⟨U+{ord(character):04X}⟩"
