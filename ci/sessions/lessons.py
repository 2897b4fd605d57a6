"""The labs: proven one by one or all, at many seeds, as notebooks; and the profiles that modules are validated by."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

from ci.install import LOCK, constraints, entries
from ci.sessions.installing import built, group, install, needs

INDEX = nox.project.load_toml("labs/index.toml")
LABS = {str(int(name[:2])): about for name, about in sorted(INDEX["lab"].items())}
PROOF = ("python", "-m", "oneblock.bench.lessons.proof", "7")
SEEDS, MINUTES = "100", "85"


def _all() -> list[str]:
    """What the labs need, together."""
    return needs(*sorted({extra for about in LABS.values() for extra in about["needs"]}))


@nox.session(default=False)
def labs(session: nox.Session) -> None:
    """Prove each lab at one seed: its starter fails, its solution passes, and each wrong answer gets its own hint.

    Words after `--` are labs, by number: `nox -s labs -- 13`.
    """
    install(session, *_all())
    session.run(*PROOF, *session.posargs)


@nox.session(default=False)
@nox.parametrize("number", [*LABS], ids=[*LABS])
def lab(session: nox.Session, number: str) -> None:
    """Prove one lab, with no more than what it needs; `-- 3` at another seed than 7."""
    install(session, *needs(*LABS[number]["needs"]))
    session.run(*PROOF[:-1], *(session.posargs or PROOF[-1:]), number)


@nox.session(default=False)
def seeds(session: nox.Session) -> None:
    """Solve every lab at a hundred seeds: goes on where it was stopped, and stops by itself after 85 minutes.

    What was found is kept in this session's folder, or in that of a first word after `--`; others are labs.
    """
    install(session, *_all())
    kept, *chosen = session.posargs or [str(Path(session.create_tmp(), "kept"))]
    session.run("python", "-m", "oneblock.bench.lessons.seeds", kept, SEEDS, MINUTES, *chosen)


@nox.session(default=False)
def notebooks(session: nox.Session) -> None:
    """Write labs/notebooks/ anew from labs/*.py, run every cell on the CPU, and prove that the check can fail.

    Of the labs with a number it runs the starter and the solution of one, from the wheel, in a kernel that has no
    oneblock, as Colab's has none. Words after `--` are labs: `nox -s notebooks -- 13 1`.
    """
    install(session, *needs("xla_tpu"), *group("notebooks"))
    session.run("python", "-m", "oneblock.labs._notebooks")
    folder = Path(session.create_tmp(), "run").resolve()
    shutil.rmtree(folder, ignore_errors=True)  # a record that is there already would not be made again
    folder.mkdir()
    session.run("python", "-m", "oneblock.labs._notebooks", "--execute", str(folder))
    session.run("oneblock", "lab", "notebooks", *(session.posargs or ("13",)), "--in", str(folder / "labs"))
    wheel = next(built(session)[0].glob("*.whl"), None)
    if wheel is None:
        return  # --install-only runs nothing, and so builds nothing
    session.run("python", "-m", "venv", "--clear", str(folder / "plain"))
    plain = str(folder / "plain" / "bin" / "python")
    session.run(plain, "ci/install.py", *group("notebooks"), external=True)
    versions = folder / "versions.txt"  # the lock's, for the notebook's own pip, which knows no hashes
    versions.write_text(constraints(entries(LOCK.read_text())))
    env = {"ONEBLOCK_SOURCE": wheel.as_uri(), "PIP_CONSTRAINT": str(versions), "PATH": "/usr/bin:/bin"}
    session.run(plain, "ci/notebooks.py", str(folder / "labs"), external=True, env=env)


@nox.session(default=False, venv_backend="none")
@nox.parametrize("name", [*INDEX["profile"]], ids=[*INDEX["profile"]])
def profile(session: nox.Session, name: str) -> None:
    """Validate by a profile of labs/index.toml: run its sessions, each in an environment of its own.

    Of one for devices, words after `--` say which are here: `nox -s "profile(perf-hardware)" -- tpu`.
    """
    of = INDEX["profile"][name]
    chosen = of["sessions"] if of["blocks"] != "on devices" else session.posargs
    if not chosen or not {*chosen} <= {*of["sessions"]}:
        session.error(f"{name} is for devices: say which is here, of {', '.join(of['sessions'])}")
    session.log(f"{name}: {of['holds']}")
    if of["lacks"]:
        session.warn(f"{name} lacks: {of['lacks']}")
    for one in chosen:
        if of["blocks"] == "reports only":
            words = (sys.executable, "-m", "nox", "-s", one)
            session.run(*words, external=True, success_codes=range(256))  # what it says is read, and stops nothing
        else:
            session.notify(one, posargs=())
