"""The commands that README and docs show, and what they print: found, run, and written anew.

A fenced block of `sh` or `console` is run, page by page: in a copy of the folder that the README's first commands
leave, or in an empty one if all of a page's blocks need more. It is what NumPy alone is enough for, unless
it says behind its language what it needs:

    ```console needs=xla_tpu,minutes keep=^block|[┃│]

`needs` names extras, or what no environment gives: `NEEDS`. `keep` is what lines of the output are shown, by a regular
expression; what lies between is "...". `exit` is the status, if it is not 0; `columns` how wide tables are, if not 120.

    python ci/shown.py [--with NAME,NAME] [PAGE]...

prints anew, in these pages or in all, each output that the light environment and these names are enough for.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
NEEDS = {
    "network": "a package index",
    "minutes": "longer than a test may take",
    "quiet": "a machine with nothing else to do",
    "cuda": "an NVIDIA GPU",
    "tpu": "a TPU",
    "neuron": "an AWS instance with Neuron devices",
}
_FENCE = re.compile(r"^```(\w*)((?: [^ ]+)*) *$")
_KEYS = ("needs", "keep", "exit", "columns")


@dataclass(frozen=True)
class Shown:
    """A command as a page shows it, and the lines of what it printed; none where the page leaves them out."""

    line: int
    command: str
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A fenced block of commands."""

    page: Path
    line: int
    language: str
    commands: tuple[Shown, ...]
    needs: tuple[str, ...] = ()
    keep: str | None = None
    exit: int = 0
    columns: int = 120
    faults: tuple[str, ...] = field(default=(), compare=False)

    @property
    def where(self) -> str:
        """Its page and line."""
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that shows commands, the README first."""
    return [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that show commands; what is wrong with how one is marked is in its faults."""
    found, lines = [], page.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if start is None and line.startswith("```"):
            start = number
        elif start is not None and line == "```":
            block = _block(page, start, lines[start], lines[start + 1 : number])
            found += [block] if block is not None else []
            start = None
    return found


def _block(page: Path, start: int, fence: str, lines: Sequence[str]) -> Block | None:
    match = _FENCE.match(fence)
    language = match[1] if match else ""
    if language not in ("sh", "console"):
        loose = any(re.match(r"(\$ |oneblock |nox )", line) for line in lines)
        fault = f"shows commands in a block of {language or 'no language'!r}: expected sh or console"
        return Block(page, start + 1, language, (), faults=(fault,)) if loose else None
    assert match is not None
    marks = dict(mark.partition("=")[::2] for mark in match[2].split())
    faults = [f"marked {key!r}: expected {', '.join(_KEYS)}" for key in marks if key not in _KEYS]
    needs = tuple(filter(None, marks.get("needs", "").split(",")))
    commands = tuple(_commands(lines, start + 2, prompt=language == "console"))
    numbers = {key: int(marks[key]) for key in ("exit", "columns") if key in marks}
    return Block(page, start + 1, language, commands, needs, marks.get("keep"), faults=tuple(faults), **numbers)


def _commands(lines: Sequence[str], first: int, *, prompt: bool) -> Iterator[Shown]:
    """Behind a prompt, with what follows as output; or each line, without its comment. A backslash goes on."""
    number = 0
    while number < len(lines):
        line, at = lines[number], number
        number += 1
        if prompt and not line.startswith("$ "):
            continue
        command = line.removeprefix("$ ") if prompt else re.sub(r"(^|\s)#.*", "", line)
        while command.endswith("\\"):
            command = command[:-1] + lines[number].lstrip()
            number += 1
        end = number
        while prompt and end < len(lines) and not lines[end].startswith("$ "):
            end += 1
        if command.strip():
            yield Shown(first + at, command.strip(), tuple(lines[number:end]))
        number = end if prompt else number


def runs(block: Block, having: Collection[str]) -> bool:
    """Whether a block is run by who has these extras."""
    return set(block.needs) <= set(having)


def follows_the_readme(page: Path) -> bool:
    """Whether a page goes on from the README's first commands: if anything on it is for who has installed nothing."""
    return page != README and any(not block.needs for block in blocks(page))


def run(block: Block, folder: Path, env: dict[str, str]) -> list[list[str]]:
    """What each command of a block printed, as the page shows it; RuntimeError if one ends otherwise than marked."""
    for name in ("ci", "labs"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
    env = {**env, "PATH": path, "COLUMNS": str(block.columns)}
    printed = []
    for shown in block.commands:
        command = shown.command.replace(".venv/bin/", "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != block.exit:
            raise RuntimeError(
                f"{block.where}: `{shown.command}` exited with {done.returncode}, expected {block.exit}; if it "
                f"needs more than NumPy, mark the block: needs=NAME\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
            )
        printed.append(kept(done.stdout.splitlines(), block.keep))
    return printed


def kept(lines: Sequence[str], keep: str | None) -> list[str]:
    """The lines that a page shows; "..." stands for what lies between them."""
    found: list[str] = []
    for line in lines:
        if keep is None or re.search(keep, line):
            found.append(line.rstrip())
        elif not found or found[-1] != "...":
            found.append("...")
    return found


def masked(lines: Sequence[str]) -> list[str]:
    """Lines without what differs between runs: hashes, numbers with their units, padding, the rules of tables."""
    number = r"[\d.,]*\d(e[-+]\d+)?( ?[µmn]s\b| s\b| [KMG]iB\b| B\b|%)?"  # which a dot before a hash would begin
    words = (re.sub(number, "#", re.sub(r"\b[0-9a-f]{16,}\b", "#", line)) for line in lines)
    plain = (re.sub(r"[\s┃│┏┳┓┡╇┩└┴┘━─*]+", " ", line).strip() for line in words)
    return [line for line in plain if line]


def rewritten(page: Path, made: dict[int, list[str]]) -> str:
    """A page's text with what the commands at these lines printed."""
    lines = page.read_text(encoding="utf-8").splitlines()
    every = [shown for block in blocks(page) for shown in block.commands]
    for shown in reversed(every):
        if shown.output and shown.line in made:
            first = lines.index(shown.output[0], shown.line - 1)
            lines[first : first + len(shown.output)] = made[shown.line]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the outputs anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="by default all")
    parser.add_argument("--with", dest="having", default="", help="extras and needs that are here, with commas between")
    args = parser.parse_args()
    if missing := [page for page in args.pages if not page.is_file()]:
        parser.error(f"{missing[0]}: expected a page by its path, as docs/course.md")
    having = [name for name in args.having.split(",") if name]
    with tempfile.TemporaryDirectory() as scratch:
        asked = [page.resolve() for page in args.pages or pages()]
        first = [README] if any(map(follows_the_readme, asked)) else []
        for page in dict.fromkeys([*first, *asked]):
            folder = Path(scratch, page.stem)
            if follows_the_readme(page):
                shutil.copytree(Path(scratch, README.stem), folder, symlinks=True)
            folder.mkdir(exist_ok=True)
            made: dict[int, list[str]] = {}
            for block in blocks(page):
                if runs(block, having):
                    print(f"{block.where}: {'; '.join(shown.command for shown in block.commands)}", flush=True)
                    printed = run(block, folder, dict(os.environ))
                    made |= {shown.line: lines for shown, lines in zip(block.commands, printed, strict=True)}
            page.write_text(rewritten(page, made), encoding="utf-8")


if __name__ == "__main__":
    main()
