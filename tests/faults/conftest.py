"""The campaign: hundreds of faults, a slice of them by a seed, and the count of what was tried."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.faults.scene import OUTCOMES, Cost, Scene, stage

OTHER = "whatever else did not hold"

# How many bad inputs a test of test_fuzz.py tries: --hypothesis-profile.
for profile, count in (("slice", 12), ("whole", 2_500)):
    settings.register_profile(
        profile, max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slice", type=int, default=None, help="Try so many faults of each kind, chosen by --seed.")
    parser.addoption("--seed", type=int, default=0, help="Of the slice, and of the moments of what strikes amid a run.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a seeded sample of each file's faults; a test that takes no parameter is always tried."""
    count = config.getoption("--slice", default=None)
    if count is None:
        return
    by_file: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if Path(__file__).parent in item.path.parents and hasattr(item, "callspec"):
            by_file[item.path].append(item)
    dropped: list[pytest.Item] = []
    for path, faults in by_file.items():
        chosen = random.Random(f"{config.getoption('--seed')}/{path.name}").sample(faults, min(count, len(faults)))
        dropped += [fault for fault in faults if fault not in chosen]
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=dropped)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults of each kind were tried and held, how many bad inputs, and what all of them cost."""
    tried: Counter[str] = Counter()
    held: Counter[str] = Counter()
    inputs: Counter[str] = Counter()
    costs: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            if "tests/faults/" not in report.nodeid:
                continue
            kind = Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")
            tried[kind] += 1
            held[kind] += outcome == "passed"
            for name, value in report.user_properties:
                if name == "bad inputs":
                    inputs[report.nodeid.rpartition("::")[2]] += int(value)
                elif name == "cost":
                    costs[str(value)] += 1
    if tried:
        terminalreporter.section("faults")
        for kind, count in sorted(tried.items()):
            terminalreporter.write_line(f"{kind:14} {count:5} tried {held[kind]:5} held")
        terminalreporter.write_line(f"{'all':14} {tried.total():5} tried {held.total():5} held")
        for name, count in sorted(inputs.items()):
            terminalreporter.write_line(f"{name:40} {count:7} bad inputs")
        terminalreporter.write_line(f"{'all':40} {inputs.total():7} bad inputs")
        for name in (*OUTCOMES, OTHER):
            terminalreporter.write_line(f"{name:40} {costs[name]:7}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what a fault cost beside its failure, for the count."""
    report = yield
    if report.failed and call.excinfo is not None:
        report.user_properties += [("cost", cost) for cost in costs_of(call.excinfo.value)]
    return report


def costs_of(error: BaseException) -> list[str]:
    """Which of OUTCOMES an error tells, or OTHER; of a group of Hypothesis's all that are in it."""
    if isinstance(error, BaseExceptionGroup):
        return [cost for inner in error.exceptions for cost in costs_of(inner)]
    return [error.outcome if isinstance(error, Cost) else OTHER]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every fault begins with: two good records, a cache of the machine's limits, a hostile package."""
    return stage(tmp_path_factory.mktemp("template"))


@pytest.fixture
def scene(template: Path, tmp_path: Path) -> Iterator[Scene]:
    """A copy of the template; what it holds of oneblock's processes ends with the test."""
    made = Scene(template, tmp_path)
    yield made
    made.end()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The campaign's."""
    return int(request.config.getoption("--seed", default=0))
