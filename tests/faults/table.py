"""`make faults`: each fault, how often it was tried, and what was lost. Run as a program; minutes.

The tries are those of the tests beside this file, one row for each test, its parameters together; a test that fails is
a loss.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Tally:
    """A plug-in of pytest that counts the tries of each fault, and what was lost."""

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tries of a test at its end, and a loss where any part of it failed."""
        name = report.nodeid.split("::")[-1].partition("[")[0].removeprefix("test_").replace("_", " ")
        self.losses[name] += report.failed
        if report.when == "teardown":
            counted = [int(str(value)) for key, value in report.user_properties if key == "tries"]
            self.tries[name] += counted[0] if counted else 1


def main() -> int:
    """Try every fault and print the table; return 1 where something was lost."""
    tally = Tally()
    chosen = "slow or not slow" if "--quick" not in sys.argv else "not slow"
    arguments = [str(HERE), "-o", "addopts=", "-q", "-m", chosen]
    status = pytest.main(arguments, plugins=[tally])
    width = max(map(len, tally.tries), default=0)
    sys.stdout.write(f"{'fault':<{width}}  tries  losses\n")
    for name, tries in tally.tries.items():
        sys.stdout.write(f"{name:<{width}}  {tries:>5}  {tally.losses[name]:>6}\n")
    total, lost = sum(tally.tries.values()), sum(tally.losses.values())
    sys.stdout.write(f"{'all':<{width}}  {total:>5}  {lost:>6}\n")
    return 1 if lost or status not in (0, 1) else 0


if __name__ == "__main__":
    sys.exit(main())
