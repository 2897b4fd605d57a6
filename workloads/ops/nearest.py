"""An error that names what is nearest to an unknown word."""

from __future__ import annotations

import difflib


def unknown(what: str, got: str, known: list[str], listed: str | None = None) -> str:
    """The sentence for a name that is not there, with the nearest ones that are, and all or what is `listed`."""
    near = difflib.get_close_matches(got, known, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(repr(str(name)) for name in near)}?" if near else ""
    return f"unknown {what} {got!r}{hint} ({listed or 'there are: ' + ', '.join(known)})"
