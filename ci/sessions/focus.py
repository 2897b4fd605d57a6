"""Rows of costs before the FinOps Foundation's own validator, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import nox

from ci.sessions.contract import test_files
from ci.sessions.installing import group, install, python

FOLDER = Path("ci", "focus")
_PYTHON = "3.12"  # which the validator needs; and a NumPy before 2, which oneblock does not run with
_LEFT = ("pandasql", "sqlalchemy")  # required by the validator and imported nowhere in it; the first has no wheel
_COMPILE = (
    "uv", "pip", "compile", f"--python-version={_PYTHON}", "--generate-hashes", "--no-annotate", "--no-header",
    "--quiet", "--universal",
)  # fmt: skip


@nox.session(default=False)
def focus(session: nox.Session) -> None:
    """Let the validator of FOCUS judge rows of a plan: it must pass them, and reject wrong ones, skipping forbidden."""
    install(session, *group("test"))
    home = Path(session.create_tmp(), "validator").resolve()
    its = python(session, _PYTHON, "the validator of FOCUS")
    session.run_install(its, "-m", "venv", "--clear", str(home), external=True)
    pip = (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
    session.run_install(*pip, "--only-binary=:all:", "-r", str(FOLDER / "wheels.txt"), external=True)
    # It has no wheel: it is built of its source by what was installed just now, once its hash was compared.
    session.run_install(*pip, "--no-build-isolation", "-r", str(FOLDER / "source.txt"), external=True)
    session.run("pytest", *test_files("focus"), *session.posargs, env={"ONEBLOCK_FOCUS_VALIDATOR": str(home)})


def lock(session: nox.Session, folder: Path) -> None:
    """Write the validator's lists anew: wheels with the hashes of all files, and what is built of its source."""
    wanted, own = folder / "focus.txt", folder / "focus-source.txt"
    wanted.write_text("\n".join(group("focus")))
    own.write_text(group("focus")[0])
    left = (f"--no-emit-package={name}" for name in ("focus-validator", *_LEFT))
    session.run(*_COMPILE, *left, f"--output-file={FOLDER / 'wheels.txt'}", str(wanted))
    session.run(*_COMPILE, "--no-deps", f"--output-file={FOLDER / 'source.txt'}", str(own))
