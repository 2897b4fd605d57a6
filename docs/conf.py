"""The site of these pages, with a reference of every `api` folder made of its docstrings; `nox -s docs` builds it."""

from __future__ import annotations

import importlib
import pkgutil
from importlib import metadata
from pathlib import Path

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Generic, Text
from sphinx.application import Sphinx

from oneblock.labs import _course

project, author = "oneblock", "the oneblock project"
release = metadata.version("oneblock")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme, html_title = "furo", "oneblock"
html_show_copyright = False
exclude_patterns = ["_build"]
default_role = "code"  # docstrings mark code as Markdown does
myst_heading_anchors = 3
suppress_warnings = ["ref.python"]  # a type `bytes`, beside five fields of that name
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": True}

APIS = {
    "oneblock.workloads._workload": "What is computed",
    "oneblock.backends.api": "What a backend is",
    "oneblock.compilers.api": "What a compiler says",
}


class Console(RegexLexer):
    """What a terminal shows: a command behind a `$`; all else is output, though it begins with a % or a #."""

    name = "console"
    tokens = {"root": [(r"^(\$ )(.*\n)", bygroups(Generic.Prompt, Text)), (r".*\n", Generic.Output)]}  # noqa: RUF012


def modules(name: str) -> list[str]:
    """A module; or those of a package, without the private ones."""
    path = getattr(importlib.import_module(name), "__path__", None)
    if path is None:
        return [name]
    return [f"{name}.{found.name}" for found in pkgutil.iter_modules(path) if not found.name.startswith("_")]


def write_reference(app: Sphinx) -> None:
    """A page for each of `APIS`: the folder is the list."""
    folder = Path(app.srcdir, "reference")
    folder.mkdir(exist_ok=True)
    for api, title in APIS.items():
        parts = [f"{title}\n{'=' * len(title)}\n"]
        for name in modules(api):
            heading = f"``{name.removeprefix('oneblock.')}``"
            parts.append(f"{heading}\n{'-' * len(heading)}\n\n.. automodule:: {name}\n")
        page = folder / f"{api.removeprefix('oneblock.')}.rst"
        text = "\n".join(parts)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def write_course(app: Sphinx) -> None:
    """A page for each module of the course: labs/index.toml is the list."""
    _course.write(Path(app.srcdir, "course"))


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.add_lexer("console", Console)
    app.connect("builder-inited", write_reference)
    app.connect("builder-inited", write_course)
