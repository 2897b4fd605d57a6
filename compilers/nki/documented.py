"""Which of the names that AWS documents are interpreted: the document is data, the rest is asked of the interpreter."""

from __future__ import annotations

import tomllib
from pathlib import Path

from oneblock.compilers.api.names import DocumentedLanguage, DocumentedName, Known
from oneblock.compilers.nki import isa, language
from oneblock.compilers.nki.dtypes import NOT_INTERPRETED
from oneblock.compilers.nki.language import NOT_CALLED
from oneblock.compilers.nki.rules import NotInterpreted

DOCUMENT = Path(__file__).parent / "assets" / "documented.toml"
_MODULES = {"nki.isa": isa, "nki.language": language}


def documented() -> DocumentedLanguage:
    """Every documented name, in the document's order."""
    told = tomllib.loads(DOCUMENT.read_text(encoding="utf-8"))
    names = [_asked(module, name) for module, names in told["names"].items() for name in names]
    return DocumentedLanguage(told["version"], told["source"], names)


def _asked(module: str, name: str) -> DocumentedName:
    """What a kernel would meet that names it."""
    if module == "nki.language" and name in NOT_INTERPRETED:
        return DocumentedName(module, name, Known.REFUSED, "a dtype that the interpreter does not compute in")
    try:
        getattr(_MODULES[module], name)
    except NotInterpreted:
        return DocumentedName(module, name, Known.UNKNOWN)
    called = NOT_CALLED.get(name) if module == "nki.language" else None
    why = "" if called is None else f"as an operator, not as a call, {called}"
    return DocumentedName(module, name, Known.INTERPRETED, why)
