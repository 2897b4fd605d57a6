"""Make `pip install --no-deps torch==2.9.0 torch-xla==2.9.0` work on the CPU without NVIDIA's 5 GB of libraries.

PyTorch/XLA 2.9 is tied to torch 2.9, whose wheel for Linux is the CUDA build: its libraries name eleven of NVIDIA's as
NEEDED, so that without them not even `import torch` works, and no code of theirs is ever called on a machine without a
GPU. This script installs what else the two wheels require (with the CUDA runtime, which torch asks for devices; 1 MB),
and stands in for each library that is still missing with a stub: a shared object of its name, next to torch's, that
defines the symbols torch wants of it, with their versions (the loader aborts where a library lacks a version that is
asked of it), each a function that returns 1, an error in every one of those libraries.

Limits: the CPU only; Linux on x86-64, with `cc` and `readelf`; `pip check` will complain, rightly. A full install
(`pip install 'oneblock[torchxla]'`) needs none of it. Run it with the Python of the environment; a second run finds
nothing to do.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

CUDA_RUNTIME = "nvidia-cuda-runtime-cu12"
LEFT_OUT = ("nvidia-", "triton")
IMPORTED = ("libtorch_python.so", "libtorch_global_deps.so")  # what `import torch` loads, with all that these need


@dataclass
class SharedObject:
    """A shared object's dynamic section, by `readelf`."""

    needed: list[str] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    undefined: list[tuple[str, str | None, str | None]] = field(default_factory=list)  # name, version, library


def read(path: Path) -> SharedObject:
    text = subprocess.run(["readelf", "-W", "-d", "-V", "--dyn-syms", path], capture_output=True, text=True, check=True)
    found, versions, library = SharedObject(), {}, ""
    symbols = []
    for line in text.stdout.splitlines():
        if match := re.search(r"\(NEEDED\) .*\[(.+)\]", line):
            found.needed.append(match[1])
        elif match := re.search(r"Version: \d+  File: (\S+)", line):
            library = match[1]
        elif match := re.search(r"Name: (\S+)  Flags: .*Version: (\d+)", line):
            versions[match[2]] = (match[1], library)
        elif match := re.match(r" +\d+: \w+ +\S+ \w+ +(GLOBAL|WEAK|UNIQUE) +\w+ +(\w+) (\S+)(?: \((\d+)\))?", line):
            symbols.append(match.groups())
    for binding, section, name, index in symbols:  # readelf may print the versions after the symbols
        if section != "UND":
            found.defined.add(name.partition("@")[0])
        elif binding != "WEAK":
            found.undefined.append((name.partition("@")[0], *versions.get(index, (None, None))))
    return found


def loaded(folders: list[Path]) -> tuple[dict[str, SharedObject], set[str]]:
    """The libraries that importing torch loads, from these folders or the system's, and the names that are nowhere."""
    system = places()
    found: dict[str, SharedObject] = {}
    missing: set[str] = set()
    todo = list(IMPORTED)
    while todo:
        name = todo.pop()
        paths = [folder / name for folder in folders if (folder / name).exists()] or system.get(name, [])
        if not paths:
            missing.add(name)
        elif name not in found:
            found[name] = read(paths[0])
            todo += found[name].needed
    return found, missing


def places() -> dict[str, list[Path]]:
    """Where the loader finds the system's libraries, by name."""
    text = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return {m[1]: [Path(m[2])] for m in re.finditer(r"^\t(\S+) \(libc6,x86-64.*\) => (\S+)$", text, re.MULTILINE)}


def stubs(found: dict[str, SharedObject], missing: set[str]) -> Iterator[tuple[str, dict[str | None, set[str]]]]:
    """(missing library, its symbols by version). A symbol without a version may be any library's: the first gets it."""
    wanted: dict[str, dict[str | None, set[str]]] = {name: defaultdict(set) for name in missing}
    defined = set().union(*(library.defined for library in found.values()))
    interpreter = ctypes.PyDLL(None)  # libtorch_python's undefined symbols are mostly Python's own
    for library in found.values():
        absent = [name for name in library.needed if name in missing]
        for symbol, version, owner in library.undefined:
            if owner in missing:
                wanted[owner][version].add(symbol)
            elif absent and owner is None and symbol not in defined and not hasattr(interpreter, symbol):
                wanted[absent[0]][None].add(symbol)
    yield from sorted(wanted.items())


def build(path: Path, symbols: dict[str | None, set[str]]) -> None:
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in sorted(set().union(*symbols.values())))
    versions = "".join(f"{v} {{ global: {'; '.join(sorted(n))}; }};\n" for v, n in symbols.items() if v is not None)
    with tempfile.TemporaryDirectory() as scratch:
        script, made = Path(scratch, "versions"), Path(scratch, path.name)
        script.write_text(versions)
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", "-x", "c", "-", "-o", made]
        command += [f"-Wl,-soname,{path.name}", *([f"-Wl,--version-script={script}"] if versions else [])]
        subprocess.run(command, input=source or "static int nothing;\n", text=True, check=True)
        path.write_bytes(made.read_bytes())


def main() -> None:
    requirements = [*(distribution("torch").requires or ()), *(distribution("torch-xla").requires or ())]
    wanted = [r for r in requirements if "extra ==" not in r and not r.startswith(LEFT_OUT)]
    wanted += [r for r in requirements if r.startswith(CUDA_RUNTIME)]
    subprocess.run([sys.executable, str(Path(__file__).with_name("install.py")), *wanted], check=True)
    site = Path(str(distribution("torch").locate_file("")))
    home = site / "torch" / "lib"
    found, missing = loaded([home, *site.glob("nvidia/*/lib")])
    for name, symbols in stubs(found, missing):
        build(home / name, symbols)
        sys.stdout.write(f"{name}: a stub of {sum(map(len, symbols.values()))} symbols\n")
    sys.stdout.write(f"{len(missing)} libraries of torch's were missing\n")
    environment = {**os.environ, "PJRT_DEVICE": "CPU"}
    subprocess.run([sys.executable, "-W", "error", "-c", "import torch_xla"], check=True, env=environment)


if __name__ == "__main__":
    main()
