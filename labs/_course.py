"""The pages of the course's modules, generated from index.toml: `python -m oneblock.labs._course` writes them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LABS = Path(__file__).parent
PAGES = LABS.parent / "docs" / "course"


def index() -> dict[str, Any]:
    """What index.toml has: labs, profiles, modules, projects."""
    return tomllib.loads((LABS / "index.toml").read_text(encoding="utf-8"))


def page(module: str, of: Mapping[str, Any]) -> str:
    """The page of a module."""
    about, labs = of["module"][module], {n: lab for n, lab in of["lab"].items() if module in lab["modules"]}
    parts = [
        f"# {module}: {about['title']}",
        "You will be able to",
        "\n".join(f"* {one}{';' if one != about['objectives'][-1] else '.'}" for one in about["objectives"]),
        f"Read {', '.join(f'[{name}](../{name})' for name in about['pages'])}.",
        "## Labs",
        *_labs(labs),
        "## Projects",
        *_projects(about["projects"], of),
        "## Validated by",
        *_profiles(about["profiles"], of),
        "## What remains for hardware",
        *_hardware(labs),
    ]
    if about["lacks"]:
        parts += ["## Not here yet", f"{about['lacks'][0].upper()}{about['lacks'][1:]}."]
    return "\n\n".join(parts) + "\n"


def _labs(labs: Mapping[str, Any]) -> Iterator[str]:
    if not labs:
        yield "None yet."
        return
    rows = ["| lab | minutes | needs, besides NumPy |", "| --- | --- | --- |"]
    for name, lab in labs.items():
        needs = ", ".join(f"`{extra}`" for extra in lab["needs"]) or "nothing"
        rows.append(f"| {int(name[:2])} [{lab['title']}](../../labs/{name}/lab.py) | {lab['minutes']} | {needs} |")
    yield "\n".join(rows)
    minutes = sum(lab["minutes"] for lab in labs.values())
    yield f"Together {minutes} minutes. How a lab is taken says [the course](../course.md)."


def _projects(names: list[str], of: Mapping[str, Any]) -> Iterator[str]:
    if not names:
        yield "None."
    for name in names:
        project = of["project"][name]
        yield f"**{name}: {project['title']}**: {project['builds']}. Validated by {', '.join(project['profiles'])}."


def _profiles(names: list[str], of: Mapping[str, Any]) -> Iterator[str]:
    rows = ["| profile | stops | holds | lacks |", "| --- | --- | --- | --- |"]
    for name in names:
        one = of["profile"][name]
        stops = {"merges": "a merge", "reports only": "nothing", "on devices": "a run on a device"}[one["blocks"]]
        rows.append(f"| {name} | {stops} | {one['holds']} | {one['lacks'] or 'nothing'} |")
    yield "\n".join(rows)
    yield '`nox -s "profile(NAME)"` runs one.'


def _hardware(labs: Mapping[str, Any]) -> Iterator[str]:
    """What each lab says of its device, under headings of this page."""
    if not labs:
        yield "What the labs to come will say."
    for name in labs:
        heading, _, rest = (LABS / name / "hardware.md").read_text(encoding="utf-8").partition("\n")
        yield f"### Lab {int(name[:2])}: {heading.removeprefix('# ')}"
        yield rest.strip("\n")


def write(folder: Path = PAGES) -> list[Path]:
    """Write every page that is not as it should be; all of them."""
    of, made = index(), []
    folder.mkdir(exist_ok=True)
    for module in of["module"]:
        path, text = folder / f"{module}.md", page(module, of)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        made.append(path)
    return made


if __name__ == "__main__":
    print(*write(), sep="\n")
