"""What brings a Neuron instance up, checks it, collects what AWS's tools say and carries it away; all without AWS."""

from __future__ import annotations

import importlib
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from oneblock.bench.commands.report import COMMAND as REPORT
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.bundle import unpack
from oneblock.bench.records.store import to_json
from oneblock.compilers.neuron import pins
from oneblock.compilers.neuron.profiles import SUMMARY, NotAProfile, explorer, monitor
from tests.bench.report.test_report import record
from tests.helpers import fake_neuron

ROOT = Path(__file__).parents[2]
AWS = ROOT / "ci" / "aws"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "neuron"
PARAMETERS = {
    "NEURON_PIP_INDEX": "PIP-INDEX", "NEURON_APT_INDEX": "APT-INDEX", "ONEBLOCK_REPO": "REPO",
    "ONEBLOCK_S3": "s3://bucket/folder", "ONEBLOCK_WORDS": "--tier smoke", "ONEBLOCK_REF": "1f" * 20,
    "NEURON_APT_KEY": "AB12" * 10,
}  # fmt: skip
KEY = f"pub:-:4096:1:0:0:\nfpr:::::::::{PARAMETERS['NEURON_APT_KEY']}:\nsub:-:4096:1:0:0:\nfpr:::::::::{'0' * 40}:"

# ---------------------------------------------------------------- the instance's script


def script(*words: str, env: dict[str, str], path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash is not None
    command = [bash, str(AWS / "user-data.sh"), *words]
    return subprocess.run(command, env={"PATH": path, **env}, capture_output=True, text=True, timeout=60)


def tool(path: Path, log: Path, text: str = "") -> None:
    """A command that writes down how it was called, and does what `text` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/bash\nprintf "%s\\n" "${{0##*/}} $*" >> {log}\n{text}\n')
    path.chmod(0o755)


def instance(folder: Path, nox: str) -> tuple[str, dict[str, str]]:
    """(a PATH that has the script's commands and no others, its environment): each writes down that it was called."""
    tools, venv, log = folder / "bin", folder / "home" / "nox" / "bin", folder / "called"
    for name in ("shutdown", "apt-get", "curl", "chmod", "modprobe", "git", "python3", "useradd", "chown"):
        tool(tools / name, log)
    tool(tools / "gpg", log, f'case "$*" in *show-keys*) printf "{KEY}\\n" ;; esac'.replace("\n", "\\n"))
    tool(tools / "runuser", log, 'shift 3; exec "$@"')
    tool(tools / "tee", log, 'if [ "$1" = -a ]; then cat >> "$2"; else cat > /dev/null; fi')
    for name in ("mkdir", "uname", "cat", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name, does in (("pip", ""), ("nox", f"mkdir -p {folder}/home/source; {nox}"), ("aws", "")):
        tool(venv / name, log, does)
    return str(tools), PARAMETERS | {"ONEBLOCK_HOME": str(folder / "home")}


def test_a_dry_run_prints_every_step_and_runs_none(tmp_path: Path) -> None:
    path, env = instance(tmp_path, "exit 0")
    done = script("--dry-run", env=env, path=path)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line[2:] for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert steps[0] == "shutdown -h +120"
    assert steps[-1] == "shutdown -h now"
    whole = "\n".join(steps)
    for part in (
        "apt-get -y -o DPkg::Lock::Timeout=600 install git", "git clone REPO ",
        f"checkout --detach {PARAMETERS['ONEBLOCK_REF']}", "runuser -u oneblock -- env",
        "noxfile.py -s neuron -- --tier smoke", "aws s3 cp", "neuron-study.tar.gz s3://bucket/folder/",
    ):  # fmt: skip
        assert part in whole
    assert not (tmp_path / "called").exists()
    assert not list((tmp_path / "home").glob("*.log"))


@pytest.mark.parametrize("absent", ["NEURON_PIP_INDEX", "ONEBLOCK_REPO"])
def test_the_timer_is_armed_before_anything_is_refused(absent: str) -> None:
    done = script("--dry-run", env={name: value for name, value in PARAMETERS.items() if name != absent})
    assert done.returncode == 2
    assert done.stdout == "+ shutdown -h +120\n"
    assert f"{absent} is not set" in done.stderr


def test_minutes_that_are_none_are_refused_and_still_end_the_instance() -> None:
    done = script("--dry-run", env=PARAMETERS | {"ONEBLOCK_MINUTES": "2h"})
    assert (done.returncode, done.stdout) == (2, "+ shutdown -h +10\n")
    assert "expected a number of minutes, got '2h'" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ONEBLOCK_REPO", "https://me:TOKEN@host/repo", "expected an address without a name or a token"),
        ("ONEBLOCK_REF", "main", "expected a commit's 40 digits, got 'main'"),
        ("ONEBLOCK_REF", "", "expected a commit's 40 digits"),
        ("NEURON_APT_KEY", "AB12", "expected a fingerprint of 40 digits"),
    ],
)
def test_what_may_change_or_be_read_by_others_is_refused(name: str, value: str, says: str) -> None:
    done = script("--dry-run", env=PARAMETERS | {name: value})
    assert done.returncode == 2
    assert says in done.stderr
    assert "TOKEN" not in done.stdout + done.stderr
    assert "git clone" not in done.stdout


@pytest.mark.parametrize("wrong", [KEY.replace("AB12", "CD34"), f"{KEY}\n{KEY}", ""], ids=["another", "two", "none"])
def test_a_key_of_another_fingerprint_is_not_taken(wrong: str, tmp_path: Path) -> None:
    path, env = instance(tmp_path, "exit 0")
    listed = tmp_path / "listed"
    listed.write_text(wrong)
    tool(tmp_path / "bin" / "gpg", tmp_path / "called", f'case "$*" in *show-keys*) cat {listed} ;; esac')
    done = script(env=env, path=path)
    called = (tmp_path / "called").read_text()
    if Path("/sys/module/neuron").exists():
        pytest.skip("the driver is here, and no key is asked for")
    assert done.returncode == 2
    assert "--import" not in called
    assert "git clone" not in called


def test_the_instance_is_described_with_the_least_that_it_needs() -> None:
    launch = (AWS / "README.md").read_text()
    for part in ("HttpTokens=required", "HttpPutResponseHopLimit=1", "Encrypted=true", "policy.json"):
        assert part in launch
    policy = json.loads((AWS / "policy.json").read_text())
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:PutObject")
    assert statement["Resource"] == "arn:aws:s3:::BUCKET/FOLDER/*"


def test_other_words_are_refused() -> None:
    done = script("--dry", env=PARAMETERS)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected nothing or --dry-run, got: --dry" in done.stderr


@pytest.mark.parametrize(("nox", "sent"), [("touch $BUNDLE", 2), ("touch $BUNDLE; exit 1", 2), ("exit 1", 1)])
def test_what_there_is_is_sent_and_the_instance_goes_however_the_session_ends(
    nox: str, sent: int, tmp_path: Path
) -> None:
    bundle = tmp_path / "home" / "source" / "neuron-study.tar.gz"
    path, env = instance(tmp_path, nox.replace("touch $BUNDLE", f": > {bundle}"))
    done = script(env=env, path=path)
    assert done.returncode == int("exit 1" in nox)
    called = (tmp_path / "called").read_text().splitlines()
    assert called[0] == "shutdown -h +120"
    assert called[-1] == "shutdown -h now"
    assert [line for line in called if line.startswith("nox")] == [
        f"nox --noxfile {tmp_path}/home/source/noxfile.py -s neuron -- --tier smoke"
    ]
    uploads = [line for line in called if line.startswith("aws s3 cp")]
    assert len(uploads) == sent
    assert uploads[-1].endswith("oneblock.log s3://bucket/folder/")


def test_without_a_place_to_send_it_to_the_instance_waits_for_its_timer(tmp_path: Path) -> None:
    path, env = instance(tmp_path, "exit 0")
    done = script(env={name: value for name, value in env.items() if name != "ONEBLOCK_S3"}, path=path)
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "called").read_text()
    assert called.count("shutdown") == 1
    assert "aws s3" not in called


def test_shellcheck_has_no_complaint() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on the path; `nox -s lint` has it")
    done = subprocess.run(["shellcheck", str(AWS / "user-data.sh")], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_address_of_aws_is_written_down() -> None:
    sessions = (ROOT / "noxfile.py", *(ROOT / "ci" / "sessions").glob("*.py"))
    for path in (*AWS.iterdir(), *sessions, ROOT / "compilers" / "neuron" / "pins.py"):
        if path.is_file():
            assert "amazonaws" not in path.read_text(), path


# ---------------------------------------------------------------- the session


class Session:
    """What nox gives a session, which writes down what is asked of it."""

    def __init__(self, *posargs: str) -> None:
        self.posargs = posargs
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def run(self, *words: str, **how: Any) -> None:
        self.asked.append((" ".join(words), how))

    def install(self, *words: str, **how: Any) -> None:
        self.run("install", *words, **how)

    def log(self, sentence: str) -> None: ...

    def error(self, sentence: str) -> None:
        raise Refused(sentence)

    def of(self, start: str) -> tuple[str, dict[str, Any]]:
        return next(entry for entry in self.asked if entry[0].startswith(start))


@pytest.fixture
def neuron(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The session, which is read without nox."""
    nox: Any = ModuleType("nox")
    nox.session = lambda function=None, **_: function or (lambda decorated: decorated)
    nox.project = SimpleNamespace(
        load_toml=lambda path: tomllib.loads(Path(path).read_text()),
        dependency_groups=lambda project, name: tuple(project["dependency-groups"][name]),
    )
    monkeypatch.setitem(sys.modules, "nox", nox)
    monkeypatch.chdir(ROOT)
    for name in [name for name in sys.modules if name.startswith("ci.sessions")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("ci.sessions.devices").neuron


def test_the_session_refuses_to_start_without_the_index(neuron: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEURON_PIP_INDEX", raising=False)
    session = Session()
    with pytest.raises(Refused, match="set NEURON_PIP_INDEX to AWS's package index"):
        neuron(session)
    assert session.asked == []


def test_the_session_checks_first_forbids_skipping_and_packs_what_it_found(
    neuron: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURON_PIP_INDEX", "INDEX")
    session = Session("--tier", "smoke")
    neuron(session)
    commands = [command for command, _ in session.asked]
    starts = [command.split(" block")[0].split(" -k")[0].split(" -c ")[0] for command in commands]
    assert starts[2:5] == ["python ci/aws/check.py", "oneblock doctor", "pytest tests/contract"]
    command, how = session.of("install")
    assert [f"{package}=={pins.PINS[package]}" in command for package in ("neuronx-cc", "nki", "torch-neuronx")] == [
        True
    ] * 3
    assert "INDEX" not in command
    assert "--no-deps" in command, "what they need is not AWS's to publish"
    assert how["env"] == {
        "PIP_INDEX_URL": "INDEX", "PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "",
    }  # fmt: skip
    second, how = [entry for entry in session.asked if entry[0].startswith("install")][1]
    assert set(command.split()) - {"--no-deps"} < set(second.split()), "by PyPI none of AWS's is chosen anew"
    assert "env" not in how
    assert session.of("pytest")[1]["env"] == {
        "ONEBLOCK_REQUIRE": "neuron_torch,neuron_nki", "ONEBLOCK_TARGET": "neuron",
    }  # fmt: skip
    measured = session.of("oneblock run")[0]
    assert "--target=neuron -o study --tier smoke" in measured
    collected = session.of("python ci/aws/collect.py")[0]
    assert "study/neuron -- oneblock run block" in collected
    assert commands.index(measured) < commands.index(collected) < commands.index("oneblock report -o study")
    packed = commands.index("python -m tarfile -c neuron-study.tar.gz study")
    assert commands.index("oneblock report -o study") < packed
    assert all("success_codes" not in how for _, how in session.asked[packed:]), "the verdict comes after the bundle"
    assert len(session.asked) > packed + 1


def test_the_session_compiles_without_a_device_when_it_is_told_to(neuron: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURON_PIP_INDEX", "INDEX")
    session = Session("compile-only")
    neuron(session)
    commands = [command for command, _ in session.asked]
    assert "python ci/aws/check.py compile-only" in commands
    assert session.of("pytest")[1]["env"]["ONEBLOCK_TARGET"] == "neuron:trn1"
    assert not any("collect.py" in command or command.endswith(" compile-only") for command in commands[3:])


# ---------------------------------------------------------------- is it here


@pytest.mark.parametrize(
    ("packages", "device", "words", "says"),
    [
        ("placeholder", "Inf2", [], "torch-neuronx 1.0 is installed, and is the empty placeholder"),
        ("real", None, [], "the Neuron driver is not loaded"),
        ("real", "none", [], "driver 2.30.2.0 is loaded and there is no Neuron device"),
        ("real", "Inf2", [], None),
        ("real", None, ["compile-only"], None),
    ],
)
def test_the_check_says_which_of_packages_driver_and_device_is_not_here(
    packages: str, device: str | None, words: list[str], says: str | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fake_neuron.toolchain(tmp_path)
    for package in ("nki", "libneuronxla"):
        fake_neuron.distribution(
            tmp_path, package, pins.PINS[package], {f"{package}/{n}.py": "" for n in ("__init__", "x")}
        )
    if packages == "placeholder":
        shutil.rmtree(tmp_path / f"torch_neuronx-{pins.PINS['torch-neuronx']}.dist-info")
        shutil.rmtree(tmp_path / "torch_neuronx")
        fake_neuron.placeholder(tmp_path, "torch-neuronx")
    if device is not None:
        fake_neuron.device(tmp_path, device)
    if device == "none":
        (tmp_path / "dev" / "neuron0").unlink()
    check: Any = runpy.run_path(str(AWS / "check.py"))
    with fake_neuron.here(monkeypatch, tmp_path):
        found = check["wrong"](words)
    assert (found is None) if says is None else says in found


# ---------------------------------------------------------------- what the tools say


def changed(path: Path, folder: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    out = folder / path.name
    out.write_text(text.replace(old, new))
    return out


def test_a_summary_is_read_with_its_tool_and_what_is_not_known_is_listed() -> None:
    read = explorer(FIXTURES / "SYNTHETIC-summary.json", "neuron-explorer 2.32")
    assert read.tool == "neuron-explorer 2.32"
    assert read.numbers["total_s"] == 0.00123
    assert read.numbers["hbm_read_bytes"] == 130_000_000
    assert (read.missing, read.unknown) == ((), ("dma_transfer_count",))
    assert "tensor_active_percent 35.5" in read.lines()


def test_a_renamed_a_missing_a_new_and_a_strange_field_break_nothing(tmp_path: Path) -> None:
    path = changed(FIXTURES / "SYNTHETIC-summary.json", tmp_path, '"total_time"', '"wall_time"')
    path = changed(path, tmp_path, '"hbm_write_bytes": 5000000,', '"engine_of_tomorrow": {"a": [1]},')
    path = changed(path, tmp_path, '"hbm_read_bytes": 130000000', '"hbm_read_bytes": "a lot"')
    read = explorer(path)
    assert [read.numbers[name] for name in ("total_s", "hbm_write_bytes", "hbm_read_bytes")] == [None] * 3
    assert read.numbers["model_flops"] == 1e9
    assert read.missing == ("total_time", "hbm_read_bytes", "hbm_write_bytes")
    assert read.unknown == ("dma_transfer_count", "engine_of_tomorrow", "wall_time")
    assert "not there: total_time, hbm_read_bytes, hbm_write_bytes" in read.lines()


@pytest.mark.parametrize("wrapped", ["{}", "[{}]", '{{"summary": [{}]}}', '{{"a/b.neff": {{"profile": {}}}}}'])
def test_a_summary_is_found_wherever_the_tool_has_put_it(wrapped: str, tmp_path: Path) -> None:
    inner = json.dumps(json.loads((FIXTURES / "SYNTHETIC-summary.json").read_text())["profile_0"])
    (tmp_path / "s.json").write_text(wrapped.format(inner))
    assert explorer(tmp_path / "s.json").numbers["total_s"] == 0.00123


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("total_time  0.017", r"expected neuron-explorer's summary-json, got no JSON"),
        ('{"opcode": 1}', r"fields such as total_time .*, got the names \['opcode'\]; .*--show-profile-schema"),
        ("[1, 2]", "got a list"),
    ],
)
def test_what_is_no_summary_is_refused_with_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(NotAProfile, match=says):
        explorer(tmp_path / "s.json")


def test_reports_are_read_and_a_line_that_was_cut_is_counted() -> None:
    read = monitor(FIXTURES / "SYNTHETIC-monitor.jsonl", "2.32.28.0")
    assert (read.records, read.malformed, read.device, read.errors) == (3, 1, "inferentia2", ())
    assert read.numbers["core_percent"] == 42.01
    assert read.numbers["device_latency_p50_s"] == 0.0012
    assert (read.numbers["devices"], read.numbers["cores_per_device"]) == (1, 2)
    assert (read.missing, read.unknown) == ((), ("SYNTHETIC",))


def test_a_group_by_another_name_and_an_error_of_the_tool_break_nothing(tmp_path: Path) -> None:
    path = changed(
        FIXTURES / "SYNTHETIC-monitor.jsonl", tmp_path, '"execution_stats"', '"inference_stats"'
    )  # as it was
    path = changed(path, tmp_path, '"neuroncore_per_device_count": 2, "error": ""', '"error": "no driver"')
    read = monitor(path)
    assert read.numbers["device_latency_p50_s"] is None
    assert read.numbers["device_bytes"] == 12519788544
    assert "neuron_hardware_info/neuroncore_per_device_count" in read.missing
    assert read.errors == ("no driver",)


@pytest.mark.parametrize("text", ["", "not JSON\n{}\n", '["neuron_runtime_data"]'])
def test_what_is_no_report_is_refused_with_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(NotAProfile, match="expected neuron-monitor's reports, one JSON object a line with neuron_runt"):
        monitor(tmp_path / "m.jsonl")


def test_every_fixture_says_that_it_is_synthetic() -> None:
    for path in FIXTURES.iterdir():
        assert path.name.startswith("SYNTHETIC-")
        assert path.read_text().lstrip("{ \n").startswith('"SYNTHETIC"')
    assert set(SUMMARY.values()) <= json.loads((FIXTURES / "SYNTHETIC-summary.json").read_text())["profile_0"].keys()


# ---------------------------------------------------------------- collecting it


def collect(folder: Path, tools: Path, *command: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    words = [sys.executable, str(AWS / "collect.py"), str(folder), "--", *command]
    done = subprocess.run(words, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120)
    return done, json.loads((folder / "collected.json").read_text())


def compiles(status: int = 0) -> list[str]:
    """A command that leaves a NEFF, as a cell of neuron_torch does."""
    code = (
        "import os, pathlib, sys, time; p = pathlib.Path(os.environ['ONEBLOCK_NEFF']); p.mkdir(); "
        f"(p / 'abc.neff').write_bytes(b'NEFF'); time.sleep(0.5); sys.exit({status})"
    )
    return [sys.executable, "-c", code]


def test_both_tools_are_run_and_read(tmp_path: Path) -> None:
    tools, log = tmp_path / "bin", tmp_path / "called"
    tool(tools / "neuron-ls", log, "echo '[]'")
    tool(tools / "neuron-monitor", log, f"cat {FIXTURES}/SYNTHETIC-monitor.jsonl; exec sleep 60")
    tool(tools / "dpkg-query", log, "printf 2.32.28.0")
    explorer_does = f"""case "$1" in
        --version) echo neuron-explorer 9 ;;
        capture) echo NTFF > "${{5%.ntff}}_exec_2.ntff" ;;
        view) for word in "$@"; do case "$word" in --output-file=*) cp {FIXTURES}/SYNTHETIC-summary.json "${{word#*=}}" ;; esac; done ;;
        esac"""  # noqa: E501
    tool(tools / "neuron-explorer", log, explorer_does)
    done, found = collect(tmp_path / "out", tools, *compiles(status=1))
    assert done.returncode == 1, done.stderr  # the command's, which tells that a cell failed
    assert found["not_collected"] == []
    assert found["tools"] == {"aws-neuronx-tools": "2.32.28.0", "neuron-explorer": "neuron-explorer 9"}
    assert found["watched"]["numbers"]["core_percent"] == 42.01
    assert found["profiles"]["abc"]["numbers"]["total_s"] == 0.00123
    assert "total_s 0.00123" in done.stdout
    called = (tmp_path / "called").read_text()
    assert f"view -n {tmp_path}/out/neff/abc.neff -s {tmp_path}/out/profiles/abc/profile_exec_2.ntff" in called


def test_tools_that_are_not_here_or_fail_are_said_and_end_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tool(tools / "neuron-explorer", tmp_path / "called", 'echo "NRT_FAILURE: no device" >&2; exit 3')
    done, found = collect(tmp_path / "out", tools, *compiles())
    assert done.returncode == 0, done.stderr
    assert (found["watched"], found["profiles"]) == (None, {})
    said = "\n".join(found["not_collected"])
    for part in (
        "neuron-ls: not on",
        "neuron-monitor: not on",
        "abc: neuron-explorer capture ended with status 3: NRT_F",
    ):
        assert part in said
        assert part in done.stdout


# ---------------------------------------------------------------- carrying it away


def packed(folder: Path, *members: tuple[str, bytes]) -> Path:
    path = folder / "neuron-study.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in members:
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


def test_a_bundle_is_reported_elsewhere(tmp_path: Path) -> None:
    study = tmp_path / "there" / "study"
    study.mkdir(parents=True)
    (study / "a.json").write_bytes(to_json(record()))
    (tmp_path / "here").mkdir()
    bundle = tmp_path / "here" / "neuron-study.tar.gz"
    command = [sys.executable, "-m", "tarfile", "-c", str(bundle), "study"]  # as the session does
    subprocess.run(command, cwd=study.parent, check=True, timeout=60)
    done = CliRunner().invoke(REPORT, [str(bundle)])
    assert done.exit_code == 0, done.output
    page = tmp_path / "here" / "neuron-study" / "report.html"
    assert "1 records" in done.output
    assert "reference" in page.read_text()
    with pytest.raises(Refused, match=r"neuron-study is there already: `oneblock report -o .*` reads it"):
        unpack(bundle)


def test_records_of_several_machines_are_reported_together(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_bytes(to_json(record()))
    done = CliRunner().invoke(
        REPORT, [str(tmp_path / "here"), str(tmp_path / "there"), "--to", str(tmp_path / "p.html")]
    )
    assert done.exit_code == 0, done.output
    assert "2 records" in done.output
    done = CliRunner().invoke(REPORT, [str(tmp_path / "here"), str(tmp_path / "nowhere")])
    assert isinstance(done.exception, Refused)
    assert "nowhere: expected a bundle" in str(done.exception)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("study/a.json", b"{}"), ("../../evil", b"x")], "outside"),
        ([("/tmp/evil/a.json", b"{}"), ("study/b", b"x")], "expected one folder of records"),
        ([("a.json", b"{}")], r"expected one folder of records in it, got \['a\.json'\]"),
        ([], "got nothing"),
    ],
    ids=["climbs", "absolute", "no folder", "empty"],
)
def test_a_bundle_that_is_none_is_refused_and_leaves_nothing(
    members: list[tuple[str, bytes]], says: str, tmp_path: Path
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    with pytest.raises(Refused, match=says):
        unpack(packed(inner, *members))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["neuron-study.tar.gz"]
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(("name", "says"), [("b.tar.gz", "cannot be unpacked"), ("b.zip", "ends in .tar.gz")])
def test_a_file_that_is_no_bundle_is_refused(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(Refused, match=says):
        unpack(tmp_path / name)
