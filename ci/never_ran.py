"""Of the tests that some session skipped, those that no session ran: by reason, with how many and the first of each.

`python ci/never_ran.py FILE` reads what runs of pytest wrote to the file that ONEBLOCK_RAN names.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def never_ran(lines: Iterable[str]) -> dict[str, list[str]]:
    """The tests by the reason that was given last; a line is a test, a tab, and the reason, or none where it ran."""
    found = dict[str, str]()
    for test, _, reason in (line.partition("\t") for line in lines):
        if found.get(test) != "":
            found[test] = reason
    by_reason = defaultdict[str, list[str]](list)
    for test, reason in found.items():
        if reason:
            by_reason[reason].append(test)
    return by_reason


def main() -> None:
    by_reason = never_ran(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
    print(f"skipped by every session that asked: {sum(map(len, by_reason.values()))} tests")
    for reason, tests in sorted(by_reason.items(), key=lambda one: -len(one[1])):
        print(f"{len(tests):5} {reason} ({tests[0]}{', ...' * (len(tests) > 1)})")


if __name__ == "__main__":
    main()
