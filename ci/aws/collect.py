"""Run a command while neuron-monitor watches, profile every NEFF that it compiled, and say what both tell.

python ci/aws/collect.py FOLDER -- COMMAND ...

The command is a run of its own and not the measured one, which nothing watches. What cannot be collected is said, and
does not end the command's run; its exit status is that of the command. FOLDER has afterwards

neff/SHA256.neff                what the command compiled
neuron-ls.json                  the devices
neuron-monitor.jsonl            its reports, one a second
profiles/SHA256/summary.json    neuron-explorer's summary of one NEFF, beside the profile (.ntff) that it is of
collected.json                  what was read of all this, and what was not collected and why
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oneblock.compilers.neuron.profiles import NotAProfile, ProfileSummary, explorer, monitor

MOST = 8  # NEFFs to profile
TOOL_S = 600
GROUPS = ("neuroncore_counters", "memory_used", "execution_stats")
CONFIG = {"period": "1s", "neuron_runtimes": [{"tag_filter": ".*", "metrics": [{"type": name} for name in GROUPS]}]}


class Collected:
    """What has been collected into a folder so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = {"aws-neuronx-tools": said("dpkg-query", "-W", "-f", "${Version}", "aws-neuronx-tools")}
        self.tools["neuron-explorer"] = said("neuron-explorer", "--version")
        self.watched: ProfileSummary | None = None
        self.profiles: dict[str, ProfileSummary] = {}
        self.not_collected: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def devices(self) -> None:
        listed = said("neuron-ls", "--json-output")
        if listed is None:
            self.not_collected.append("neuron-ls: not on the path, or it failed")
        else:
            (self.folder / "neuron-ls.json").write_text(listed + "\n")

    def run(self, command: list[str]) -> int:
        """Run the command, watched where there is something to watch it with; its exit status."""
        env = {**os.environ, "ONEBLOCK_NEFF": str((self.folder / "neff").resolve())}
        reports = self.folder / "neuron-monitor.jsonl"
        if shutil.which("neuron-monitor") is None:
            self.not_collected.append("neuron-monitor: not on the path")
            return subprocess.run(command, env=env).returncode
        config = self.folder / "neuron-monitor.conf"
        config.write_text(json.dumps(CONFIG, indent=1))
        with reports.open("wb") as out, subprocess.Popen(["neuron-monitor", "-c", str(config)], stdout=out) as watch:
            try:
                status = subprocess.run(command, env=env).returncode
            finally:
                watch.terminate()
        try:
            self.watched = monitor(reports, self.tools["aws-neuronx-tools"])
        except NotAProfile as error:
            self.not_collected.append(str(error))
        return status

    def profile_all(self) -> None:
        neffs = sorted((self.folder / "neff").glob("*.neff"))
        if not neffs:
            self.not_collected.append("profiles: the command left no NEFF")
        elif shutil.which("neuron-explorer") is None:
            self.not_collected.append("neuron-explorer: not on the path")
        else:
            self.not_collected += [f"profile of {neff.stem}: {MOST} are enough" for neff in neffs[MOST:]]
            for neff in neffs[:MOST]:
                try:
                    self.profiles[neff.stem] = self.profile(neff)
                except (NotAProfile, subprocess.SubprocessError, OSError) as error:
                    self.not_collected.append(f"profile of {neff.stem}: {error}")

    def profile(self, neff: Path) -> ProfileSummary:
        """The summary of a NEFF's second execution, of inputs that are zeros: its times, and nothing of its answers."""
        folder = self.folder / "profiles" / neff.stem
        folder.mkdir(parents=True, exist_ok=True)
        twice = ("--num-exec=2", "--profile-nth-exec=2")
        call("neuron-explorer", "capture", "-n", str(neff), "-s", str(folder / "profile.ntff"), *twice)
        captured = sorted(folder.glob("*.ntff"))
        if not captured:
            raise NotAProfile(f"{folder}: expected neuron-explorer capture to write an .ntff, and there is none")
        summary = folder / "summary.json"
        shown = ("--output-format=summary-json", f"--output-file={summary}")
        printed = call("neuron-explorer", "view", "-n", str(neff), "-s", str(captured[-1]), *shown)
        if not summary.exists():  # it is documented to print, too
            summary.write_text(printed[max(0, printed.find("{")) :])
        return explorer(summary, self.tools["neuron-explorer"])

    def write(self) -> None:
        found: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "folder"}
        text = json.dumps(found, indent=1, default=asdict)
        (self.folder / "collected.json").write_text(text + "\n")
        for what, read in {"neuron-monitor": self.watched, **self.profiles}.items():
            if read is not None:
                print(what, *read.lines(), sep="\n  ")
        for sentence in self.not_collected:
            print(f"not collected: {sentence}")


def call(*command: str) -> str:
    """What a tool prints; CalledProcessError says what it complained of."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise subprocess.SubprocessError(
            f"{' '.join(command[:2])} ended with status {done.returncode}: {''.join(last)}"
        )
    return done.stdout


def said(*command: str) -> str | None:
    """What a command says in one word or many; None where there is no such command, or it fails."""
    try:
        return call(*command).strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def main(words: list[str]) -> int:
    if "--" not in words or words.index("--") != 1 or len(words) < 3:
        sys.exit("expected: collect.py FOLDER -- COMMAND ...")
    collected = Collected(Path(words[0]))
    collected.devices()
    status = collected.run(words[2:])
    collected.profile_all()
    collected.write()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
