"""Standard streams that are closed, full or not read, and what the terminal's environment says."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

from tests.faults.scene import COMMAND, GOOD, NORM, Scene, hold

COMMANDS = {
    "show": ("show", "-o", "records"),
    "show --json": ("show", "-o", "records", "--json"),
    "compare": ("compare", "records", "records"),
    "report": ("report", "-o", "records"),
    "schema": ("schema",),
    "help": ("--help",),
    "run": (*NORM, "--backend", "reference", "--dtype", "float16", "-o", "records"),
    "doctor": ("doctor",),
}
STREAMS = ("out closed", "out full", "out not read", "err closed", "err full", "in closed", "all closed")


@pytest.mark.campaign
@pytest.mark.parametrize(("command", "stream"), list(product(COMMANDS, STREAMS)))
def test_streams(scene: Scene, command: str, stream: str) -> None:
    """A reader that has seen enough is no failure; a full disk behind standard output is one; what is asked is done."""
    redirect = {"out closed": ">&-", "out full": ">/dev/full", "out not read": "| true", "err closed": "2>&-",
                "err full": "2>/dev/full", "in closed": "<&-", "all closed": "<&- >&- 2>&-"}[stream]  # fmt: skip
    quoted = " ".join(f"'{word}'" for word in (*COMMAND, *COMMANDS[command]))
    script = f"set -o pipefail; {quoted} {redirect}"
    scene.plant(scene.records / "report.html")
    ended = scene.run(command=["bash", "-c", script])
    full = stream == "out full"
    hold(ended.status == (2 if full else 0), "wrong status", ended)
    scene.holds_text(ended)
    assert not full or ended.err.strip(), "a sentence on standard error"
    scene.kept()
    if command == "run":
        hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())
    if command == "report":
        assert (scene.records / "report.html").read_text().rstrip().endswith("</html>")


MISTAKES = [
    ("nosuch",), ("show", "nosuch"), ("show", "--nosuch"), ("show", "-o", "nowhere"), ("run", "nosuch"),
    ("run", "--preset", "nosuch"), ("run", "-B", "0"), ("run", "-B", "x"), ("run", "--dtype", "int3"),
    ("run", "--backend", "nosuch"), ("run", "--target", "mars"), ("run", "--set", "x"), ("run", "--set", "heads=0"),
    ("run", "--weights", "nowhere"), ("run", "--tier", "x"), ("run", "--timeout", "-1"), ("run", "--memory", "nan"),
    ("run", "-T", "9" * 200), ("run", "--target", "tpu:v5e:../../../../x"), ("compare",), ("compare", "a", "b"),
    ("diff", "a", "b"), ("reproduce", "x"), ("report", "x"), ("report", "--to", "/proc/x"), ("export",), ("tune", "x"),
    ("kernel",), ("kernel", "nosuch.py", "--target", "neuron:trn2"), ("bisect", "--of", "x"), ("schema", "x"),
    ("doctor", "--nosuch"), ("show", "\x1b[31m"), ("run", "\u202e"), ("show", "[bold]"),
]  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "--json"])
@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_mistakes(scene: Scene, words: tuple[str, ...], as_json: bool) -> None:
    """Status 2 and a sentence; under --json one object with the sentence, on standard output."""
    ended = scene.run(*words, *(["--json"] if as_json else []))
    scene.holds(ended, (2,))
    if as_json:
        told = scene.holds_json(ended)
        assert isinstance(told, dict)
        assert any(isinstance(value, str) and value for value in told.values())
    else:
        assert ended.err.startswith("oneblock: ") or "oneblock: " in ended.err


SURROUNDINGS = {
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "LC_ALL=C": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "LC_ALL=C, no coercion": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX"},
    "LC_ALL=xx_YY": {"LC_ALL": "xx_YY"},
    "COLUMNS=abc": {"COLUMNS": "abc"},
    "COLUMNS=0": {"COLUMNS": "0"},
    "COLUMNS=1": {"COLUMNS": "1"},
    "COLUMNS=-5": {"COLUMNS": "-5"},
    "COLUMNS=100000": {"COLUMNS": "100000"},
    "LINES=0": {"LINES": "0"},
    "TERM=dumb": {"TERM": "dumb"},
    "TERM=garbage": {"TERM": "\u202egarbage"},
    "NO_COLOR": {"NO_COLOR": "1"},
    "PAGER=false": {"PAGER": "false"},
    "HOME=/nonexistent": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""},
    "HOME=/dev/null": {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "XDG_DATA_HOME": "/dev/null"},
    "HOME empty": {"HOME": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""},
    "TMPDIR=/nonexistent": {"TMPDIR": "/nonexistent"},
    "XDG_RUNTIME_DIR=/nonexistent": {"XDG_RUNTIME_DIR": "/nonexistent"},
    "XDG_RUNTIME_DIR=/dev/null": {"XDG_RUNTIME_DIR": "/dev/null"},
    "OMP_NUM_THREADS=abc": {"OMP_NUM_THREADS": "abc"},
    "TZ=garbage": {"TZ": "garbage/\x1b[31m"},
    "PATH empty": {"PATH": ""},
    "PYTHONOPTIMIZE=2": {"PYTHONOPTIMIZE": "2"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1"},
    "PYTHONWARNINGS=error": {"PYTHONWARNINGS": "error"},
    "PYTHONHASHSEED=0": {"PYTHONHASHSEED": "0"},
    "PYTHONDEVMODE": {"PYTHONDEVMODE": "1"},
    "PYTHONMALLOC=debug": {"PYTHONMALLOC": "debug"},
    "ONEBLOCK_TUNED a file": {"ONEBLOCK_TUNED": "/dev/null"},
    "ONEBLOCK_TUNED zeros": {"ONEBLOCK_TUNED": "/dev/zero"},
    "a variable of escapes": {"ONEBLOCK_TUNED": "\x1b[31m\u202e"},
    "1 MB of environment": {f"X{n}": "x" * 100_000 for n in range(10)},  # Linux takes 2 MB with the words
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings(scene: Scene, name: str) -> None:
    """A run, and what shows it, whatever the environment says."""
    run = (*NORM, "--backend", "reference", "--dtype", "float16", "-o", "records")
    for words in (run, ("show", "-o", "records"), ("show", "-o", "records", "--json")):
        ended = scene.run(*words, env=SURROUNDINGS[name])
        scene.holds(ended, (0,))
    assert scene.holds_json(ended)
    hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())


@pytest.mark.campaign
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes another user")
@pytest.mark.parametrize("command", ["run", "show", "report"])
def test_a_user_without_a_name_or_a_home(scene: Scene, command: str) -> None:
    """As a container has it that is started with a bare number: nothing is kept, and all else is done."""
    for folder in (scene.work, scene.tmp):
        subprocess.run(["chown", "-R", "54321:54321", folder], check=True)
    scene.plant(scene.records / "report.html")
    read = "+dac_read_search"  # the interpreter may lie in root's home, which nobody else may enter
    become = [
        "setpriv",
        "--reuid=54321",
        "--regid=54321",
        "--clear-groups",
        f"--inh-caps={read}",
        f"--ambient-caps={read}",
    ]
    names = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "USER", "LOGNAME")
    without = ["env", *(word for name in names for word in ("-u", name))]
    scene.holds(scene.run(command=[*become, *without, *COMMAND, *COMMANDS[command]]), (0,))


LIMITS = {
    "ulimit -n 20": "ulimit -n 20",
    "ulimit -n 12": "ulimit -n 12",
    "ulimit -f 1": "ulimit -f 1",
    "ulimit -f 8": "ulimit -f 8",
    "ulimit -f 64": "ulimit -f 64",
    "ulimit -v": "ulimit -v 1500000",
    "ulimit -t": "ulimit -t 2",
    "ulimit -s": "ulimit -s 256",
    "umask 077": "umask 077",
    "umask 777": "umask 777",
    "umask 000": "umask 000",
    "nice": "renice -n 19 $$ >/dev/null",
    "one core": "taskset -pc 0 $$ >/dev/null",
    "folder deleted": "mkdir gone && cd gone && rmdir ../gone",
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_the_shell(scene: Scene, name: str) -> None:
    records = scene.records
    run = [*COMMAND, *NORM, "--backend", "reference", "--dtype", "float16", "-o", str(records)]
    script = f"{LIMITS[name]}; exec " + " ".join(f"'{word}'" for word in run)
    ended = scene.run(command=["bash", "-c", script])
    scene.holds(ended, (0, 1, 2) if "ulimit" in name or name == "umask 777" else (0,))


SHADOWS = ("random", "json", "numpy", "selectors", "statistics", "safetensors", "pydantic", "oneblock", "psutil",
           "click", "rich", "tempfile", "cpuinfo", "filelock", "sitecustomize", "usercustomize")  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("module", SHADOWS)
def test_modules_of_the_working_folder_are_not_run(scene: Scene, module: str) -> None:
    """An unpacked bundle and a downloaded checkpoint are somebody else's folders."""
    code = f"open({str(scene.outside / 'executed')!r}, 'w').close()\n"
    scene.plant(scene.work / f"{module}.py").write_text(code)
    launcher = Path(COMMAND[0]).with_name("oneblock")
    command = [str(launcher), *NORM, "--backend", "reference", "--dtype", "float16", "-o", "records"]
    scene.holds(scene.run(command=command), (0,))
    hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())


@pytest.mark.campaign
@pytest.mark.parametrize("path", [":{}", "{}:", "{}::{}"])
@pytest.mark.parametrize("module", ["random", "json", "numpy"])
def test_an_empty_entry_of_the_search_path_is_no_folder(scene: Scene, module: str, path: str) -> None:
    """To Python it means the working folder, which nobody meant who wrote PYTHONPATH=$PYTHONPATH:/mine."""
    code = f"open({str(scene.outside / 'executed')!r}, 'w').close()\n"
    scene.plant(scene.work / f"{module}.py").write_text(code)
    scene.plant(scene.work / "__pycache__")
    env = {"PYTHONPATH": path.replace("{}", scene.env["PYTHONPATH"])}
    scene.holds(scene.run(*NORM, "--backend", "reference", "--dtype", "float16", "-o", "records", env=env), (0,))
    hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())


@pytest.mark.campaign
def test_nothing_waits_for_a_terminal_that_is_not_there(scene: Scene) -> None:
    with open(os.devnull) as nothing:
        scene.holds(scene.run(*GOOD, stdin=nothing, stdout=subprocess.PIPE, start_new_session=True), (0,))
