"""What strikes amid a command loses no record, leaves nothing running, and the same command goes on from there."""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import product

import psutil
import pytest

from tests.faults.scene import GOOD, NORM, Scene, hold, wait_for
from tests.helpers.oneblock_process import marked

COMMANDS = {
    "measuring": (*NORM, "--backend", "slow", "--backend", "reference", "--dtype", "float16", "-o", "records"),
    "compiling": (*NORM, "--backend", "elsewhere", "--dtype", "float16", "--dtype", "float32", "--dtype", "bfloat16",
                  "-o", "records"),
    "reporting": ("report", "-o", "records"),
}  # fmt: skip
SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT", "SIGINT twice", "SIGINT of the group")
MOMENTS = range(4)  # each at a time of its own, which the seed fixes
WORKER_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV", "SIGHUP", "SIGQUIT", "SIGSTOP")


@pytest.mark.campaign
@pytest.mark.parametrize(("command", "name", "moment"), list(product(COMMANDS, SIGNALS, MOMENTS)))
def test_a_signal_to_the_command(scene: Scene, seed: int, command: str, name: str, moment: int) -> None:
    words = COMMANDS[command]
    scene.plant(scene.records / "report.html")
    process = scene.start(*words, start_new_session=True)
    time.sleep(random.Random(f"{seed}/{command}/{name}/{moment}").uniform(0.2, 6.0))
    number = getattr(signal, name.split()[0])
    if process.poll() is None:
        if name.endswith("group"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        if name.endswith("twice"):
            time.sleep(0.3)
            process.send_signal(number)
    ended = scene.finish(process)
    expected = (0, 1, 130) if number is signal.SIGINT else (0, 1, -number, 128 + number)
    scene.holds(ended, expected)
    before = {path.name: path.read_bytes() for path in scene.records.glob("*.json")}
    scene.holds(scene.run(*words), (0,))
    after = {path.name: path.read_bytes() for path in scene.records.glob("*.json")}
    hold(before.items() <= after.items(), "records lost", set(before) - set(after))
    scene.swept()


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "moment"), list(product(WORKER_SIGNALS, MOMENTS)))
def test_a_signal_to_a_worker_costs_its_own_cell(scene: Scene, seed: int, name: str, moment: int) -> None:
    words = (*NORM, "--backend", "slow", "--backend", "reference", "--dtype", "float16", "--timeout", "10",
             "-o", "records")  # fmt: skip
    process = scene.start(*words)
    chance = random.Random(f"{seed}/{name}/{moment}")

    def strike() -> bool:
        workers = marked(scene.env, "oneblock.bench.worker.main")
        if process.poll() is not None:
            return True
        if not workers or chance.random() < 0.8:
            return False
        try:
            workers[0].send_signal(getattr(signal, name))
        except psutil.NoSuchProcess:
            return False
        return True

    wait_for(strike)
    scene.holds(scene.finish(process), (0, 1))
    scene.holds(scene.run(*words), (0,))
    scene.swept()


@pytest.mark.campaign
@pytest.mark.parametrize("generated", [False, True], ids=["", "in code that is made"])
@pytest.mark.parametrize("module", ["click", "rich", "pydantic", "psutil"])
def test_ctrl_c_amid_the_imports(scene: Scene, module: str, generated: bool) -> None:
    """Whoever has mistyped presses it at once, and code that is made, as a dataclass's is, may be what it strikes."""
    at_once = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(1)\n"
    at_once = f"exec({at_once!r})\n" if generated else at_once
    (scene.folder / "package" / f"{module}.py").write_text(at_once)
    ended = scene.run(*GOOD)
    scene.holds(ended, (130,))
    assert ended.err.strip() == "oneblock: interrupted"


@pytest.mark.campaign
def test_ctrl_c_drops_the_work_that_waits(scene: Scene) -> None:
    """Of a dozen cells that compile for a second each, what has not begun is not begun any more."""
    words = ("run", "norm", "mlp", "--preset", "tiny", "-T", "8", "--backend", "elsewhere", "--threads", "1",
             "--dtype", "float16", "--dtype", "float32", "--dtype", "bfloat16", "-o", "records")  # fmt: skip
    process = scene.start(*words)
    assert wait_for(lambda: len(list(scene.records.glob("*elsewhere*.json"))) >= 1)
    process.send_signal(signal.SIGINT)
    scene.holds(scene.finish(process), (130,))
    assert len(scene.statuses()["elsewhere"]) <= 3


@pytest.mark.campaign
def test_two_and_five_runs_at_once_share_the_work(scene: Scene) -> None:
    words = (*NORM, "--backend", "slow", "--backend", "reference", "--dtype", "float16", "-o", "records")
    for count in (2, 5):
        for process in [scene.start(*words) for _ in range(count)]:
            scene.holds(scene.finish(process, 240), (0,))
    hold(scene.statuses() == {"slow": ["passed"], "reference": ["passed"]}, "records lost", scene.statuses())
