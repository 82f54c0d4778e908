"""The command `verify`: the checks as they finish, then the table, the findings and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from trainwright.cli.train import parse_change
from trainwright.errors import EXIT_FAILED

_WIDEST = 110


def run(
    console: Console,
    document: dict[str, Any],
    target: str,
    *,
    changes: Sequence[str],
    only: Sequence[str],
    skip: Sequence[str],
    quick: bool,
    budget_seconds: float | None,
    data_root: str | None,
) -> None:
    """Check what `target` names; fill `document`."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.records import CheckResult
    from trainwright.stages.targets import planned_threads, subject_named
    from trainwright.stages.verify import choose_checks, verify_subject

    checks = choose_checks(
        only=list(_names(only)) if only else None, skip=list(_names(skip)), extent="quick" if quick else "full"
    )
    subject = subject_named(target, parsed, data_root)
    done = 0
    with console.status("checking", spinner="dots") as status:

        def show(result: CheckResult) -> None:
            nonlocal done
            done += 1
            status.update(f"checked {done} of {len(checks)}: {result.check}")

        with planned_threads(subject):
            report = verify_subject(subject, checks, budget_seconds=budget_seconds, watch=show)
    text = report.text(color=console.color_system is not None, width=min(console.width, _WIDEST))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    document.update(report.to_json())
    if not report.judged:
        document["status"] = EXIT_FAILED  # a gate must not open because nobody looked


def _names(given: Sequence[str]) -> Iterator[str]:
    """Yield names that were given one by one, or with commas between."""
    for text in given:
        yield from filter(None, (name.strip() for name in text.split(",")))
