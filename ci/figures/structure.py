"""What the source's structure costs a reader: imports, circles, sizes, complexity, stated shapes; each beside its bar.

python ci/figures/structure.py [CHECKOUT] [--list]   (a checkout of another version gives that version's figures)

Read off the syntax trees of the five folders, without importing them. The rules:

* an edge inside a function is a file and a module of ours that a function of it imports, counted once;
* a circle is a set of files that reach each other by imports, those inside functions included; an upward import is one
  that must go before the files of a circle have an order (found by a depth-first walk in the order of names);
* a question of which sort is a read, in `bench` or `compilers`, of a field of facts that holds one toolchain's calls:
  gpu_kernels, tir_calls, neuron_calls, or kernels of what is called facts;
* a function over arrays is a public one outside `bench` and `labs` whose signature names Array, ndarray, Tensor or
  NkiTensor, but for methods whose shapes another file states: those of classes with a base in `workloads` and
  `backends` (the plain definitions, the seam's protocols), and an executable's `put`, `call`, `wait` and `get`;
  it states shapes if its docstring has a tuple of axes, such as (B, T, C), (M, N/8) or (..., D), or any, (...).
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("workloads", "compilers", "backends", "bench", "labs")
_ARRAYS = re.compile(r"\b(Array|ndarray|Tensor|NkiTensor)\b")
_VERBS = ("put", "call", "wait", "get")
_OF_ONE_TOOLCHAIN = ("gpu_kernels", "tir_calls", "neuron_calls")
_AXIS = r"[A-Z][\w*/+ -]*"
_SHAPE = re.compile(rf"\((?:\.\.\., )?{_AXIS}(?:, ?(?:{_AXIS}|\d+|n|\.\.\.))*,?\)|\(\.\.\.\)")


@dataclass(frozen=True)
class Source:
    """The files of one checkout, parsed: trees by path, and whom each imports at its top and inside functions."""

    root: Path
    trees: dict[Path, ast.Module]
    top: dict[str, set[str]]
    inside: dict[str, set[str]]

    @classmethod
    def read(cls, root: Path) -> Source:
        """Parse a checkout."""
        paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
        trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
        names = {_module(path, root): path for path in paths}
        top: dict[str, set[str]] = {name: set() for name in names}
        inside: dict[str, set[str]] = {name: set() for name in names}
        for name, path in names.items():
            for module, function in _imports(trees[path], names):
                if module != name:
                    (inside if function else top)[name].add(module)
        return cls(root, trees, top, inside)

    def edges(self) -> dict[str, set[str]]:
        """Module -> modules of ours that it imports, wherever."""
        return {name: self.top[name] | self.inside[name] for name in self.top}


def _module(path: Path, root: Path) -> str:
    return "oneblock." + ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.Module, names: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """(module of ours, whether a function imports it)."""

    def walk(node: ast.AST, function: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.module:
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    found = full if full in names else child.module
                    if found in names:
                        yield found, function
            elif isinstance(child, ast.Import):
                yield from ((alias.name, function) for alias in child.names if alias.name in names)
            else:
                yield from walk(child, function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    return walk(tree, False)


def edges_inside_functions(source: Source) -> list[str]:
    """Imports of ours inside functions."""
    return [f"{name} -> {module}" for name, modules in source.inside.items() for module in sorted(modules)]


def circles(source: Source) -> list[str]:
    """Sets of files that reach each other."""
    return [" <-> ".join(found) for found in _components(source.edges()) if len(found) > 1]


def upward(source: Source) -> list[str]:
    """Imports that must go before there is an order."""
    edges, found = source.edges(), []
    for component in _components(edges):
        seen: set[str] = set()

        def walk(name: str, above: tuple[str, ...], of: set[str], seen: set[str]) -> None:
            seen.add(name)
            for other in sorted(edges[name] & of):
                if other in (*above, name):
                    found.append(f"{name} -> {other}")
                elif other not in seen:
                    walk(other, (*above, name), of, seen)

        for name in component:
            if name not in seen:
                walk(name, (), set(component), seen)
    return found


def _components(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components, by what each file reaches."""

    def reached(start: str) -> set[str]:
        found, todo = set(), [start]
        while todo:
            for other in edges[todo.pop()]:
                if other not in found:
                    found.add(other)
                    todo.append(other)
        return found

    reach = {name: reached(name) for name in edges}
    groups = {frozenset({name} | {other for other in reach[name] if name in reach[other]}) for name in edges}
    return sorted(sorted(group) for group in groups)


def questions_of_which_sort(source: Source) -> list[str]:
    """Reads of facts that only one toolchain's programs have."""
    found = []
    for path, tree in source.trees.items():
        place = path.relative_to(source.root)
        for node in ast.walk(tree) if place.parts[0] in ("bench", "compilers") else ():
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                facts = node.attr == "kernels" and ast.unparse(node.value).endswith("facts")
                if facts or node.attr in _OF_ONE_TOOLCHAIN:
                    found.append(f"{place}:{node.lineno} {ast.unparse(node)}")
    return found


def files_of_the_largest_folder(source: Source) -> list[str]:
    """Python files of the folder that has most of them."""
    [(folder, _)] = Counter(path.parent for path in source.trees).most_common(1)
    return [str(path.relative_to(source.root)) for path in source.trees if path.parent == folder]


def files_over_250_lines(source: Source) -> list[str]:
    """Files too long to be one idea."""
    return [str(path) for path in source.trees if len(path.read_text(encoding="utf-8").splitlines()) > 250]


def complex_functions(source: Source) -> list[str]:
    """Functions of a cyclomatic complexity over 15, by ruff."""
    limit = ("--config", "lint.mccabe.max-complexity=15")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=C901", *limit, "--output-format=concise"]
    done = subprocess.run([*command, *FOLDERS], cwd=source.root, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"expected ruff beside this Python, got: {done.stderr.strip()}; pip install ruff")
    return [line for line in done.stdout.splitlines() if "C901" in line]


def functions_over_arrays(source: Source) -> tuple[list[str], list[str]]:
    """(those that state shapes, those that do not)."""
    stated, silent = [], []
    for path, tree in source.trees.items():
        folder = path.relative_to(source.root).parts[0]
        for owner in ast.walk(tree) if folder not in ("bench", "labs") else ():
            override = folder in ("workloads", "backends") and isinstance(owner, ast.ClassDef) and owner.bases
            for node in owner.body if isinstance(owner, ast.Module | ast.ClassDef) and not override else ():
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in _VERBS:
                    returns = ast.unparse(node.returns) if node.returns else ""
                    if _ARRAYS.search(f"{ast.unparse(node.args)} {returns}"):
                        place = f"{path.relative_to(source.root)}:{node.lineno} {node.name}"
                        (stated if _SHAPE.search(ast.get_docstring(node) or "") else silent).append(place)
    return stated, silent


AT_MOST: dict[str, tuple[int, Callable[[Source], list[str]]]] = {
    "imports inside functions": (40, edges_inside_functions),
    "circles": (0, circles),
    "upward imports": (0, upward),
    "questions of which sort of call": (0, questions_of_which_sort),
    "Python files in one folder": (40, files_of_the_largest_folder),
    "files over 250 lines": (0, files_over_250_lines),
    "functions of complexity over 15": (0, complex_functions),
}


def main() -> None:
    """Print each figure, its bar, and with --list what it counts; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--list", action="store_true", help="name what was counted")
    args = parser.parse_args()
    source = Source.read(args.checkout.resolve())
    met = True
    for name, (bar, count) in AT_MOST.items():
        found = count(source)
        met = met and len(found) <= bar
        print(f"{name:42} {len(found):6}   at most {bar}")
        for line in found if args.list else ():
            print(f"    {line}")
    stated, silent = functions_over_arrays(source)
    share = len(stated) / (len(stated) + len(silent))
    print(f"{'functions over arrays that state shapes':42} {share:6.0%}   at least 95%")
    for line in silent if args.list else ():
        print(f"    {line}")
    sys.exit(0 if met and share >= 0.95 else 1)


if __name__ == "__main__":
    main()
