"""The verb report: a stored run as text, as JSON, and as one page that opens from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.doctor.diagnose import examine, settled
from trainwright.doctor.repairs import marked
from trainwright.doctor.silence import silence_of
from trainwright.errors import RunError
from trainwright.records import CheckResult, from_plain, to_plain
from trainwright.records.ensemble import EnsembleInfo
from trainwright.report.finish_html import render_finish_html
from trainwright.report.finish_text import render_finish
from trainwright.report.html import render_html
from trainwright.report.safe import visible
from trainwright.report.text import render_run
from trainwright.runs.layout import FINISHED, FINISHED_FACTS, is_finished, is_run
from trainwright.runs.reader import StoredRun, read_run
from trainwright.runs.small import read_json
from trainwright.stages.finish_report import PAGE, read_report


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a report gave: the text, the page's place, and the document for programs."""

    text: str
    page: Path
    document: dict[str, Any]


def report_run(folder: Path, page: Path | None = None, *, color: bool = False, width: int = 100) -> Written:
    """Diagnose the run in `folder` from what it recorded, without its model, and write the page.

    Of a finished model it is the table of what gained and what lost.

    The page goes to `page`, or to report.html in the folder. Raises `RunError` where the run cannot be read or the
    page not be written.
    """
    if is_finished(folder) and not is_run(folder):
        return _report_finished(folder, page, color=color, width=width)
    stored = read_run(folder)
    silence = silence_of(stored.info)
    everything = examine(stored.chart)
    examination = silence.heard_of(everything)
    # A run that has ended keeps the findings it ended with; one that goes on, or was killed, is judged now.
    verified = _verified(stored)
    judged = {*everything.healthy, *(finding.kind for finding in everything.findings)}
    before = [finding for check in verified for finding in check.findings if finding.kind not in judged]
    judged_now = silence.heard(settled([*before, *everything.findings]))
    findings = stored.findings if stored.outcome else marked(judged_now, stored.chart.events)
    checks = (*verified, *examination.checks())
    finished = _finished(folder)
    target = page if page is not None else folder / "report.html"
    html = render_html(
        stored.info,
        stored.outcome,
        stored.chart,
        findings,
        recipe=stored.recipe,
        facts=_facts(stored),
        checks=checks,
        finish=finished,
    )
    _write(target, html)
    text = render_run(stored.info, stored.outcome, stored.chart, findings, checks=checks, color=color, width=width)
    if finished is not None:
        text += "\n\n" + render_finish(finished, color=color, width=width)
    notes = "".join(f"note: {visible(note)}\n" for note in stored.notes)
    document = {
        "findings": findings,
        "outcome": stored.outcome,
        "best": stored.outcome.best if stored.outcome else {},
        "digest": stored.digest,
        "folder": str(folder),
        "healthy": examination.healthy,
        "not_judged": examination.not_judged,
        "notes": stored.notes,
        "page": str(target),
        **({"finish": finished} if finished is not None else {}),
    }
    return Written(
        text=f"{notes}{text}\npage: {visible(str(target))}", page=target, document=to_plain(document, strict=True)
    )


def _report_finished(folder: Path, page: Path | None, *, color: bool, width: int) -> Written:
    """Show a finished model again from what it keeps: what gained and what lost, and its page."""
    info, findings = read_report(folder)
    target = page if page is not None else folder / PAGE
    _write(target, render_finish_html(info, findings))
    text = render_finish(info, findings, color=color, width=width)
    document = {"schema": 1, "findings": findings, "folder": str(folder), "page": str(target), **to_plain(info)}
    return Written(text=f"{text}\npage: {visible(str(target))}", page=target, document=to_plain(document, strict=True))


def _write(target: Path, html: str) -> None:
    try:
        target.write_text(html, encoding="utf-8")
    except OSError as problem:
        raise RunError(
            f"the page {target} cannot be written",
            evidence=problem.strerror or str(problem),
            remedy="name another place with --html FILE",
        ) from None


def _finished(folder: Path) -> EnsembleInfo | None:
    """Return what was finished after the run, None where nothing was, or nobody can read it."""
    try:
        return from_plain(EnsembleInfo, read_json(folder / FINISHED / FINISHED_FACTS))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _verified(stored: StoredRun) -> tuple[CheckResult, ...]:
    """Return what the checks before the run found, as far as it can be read."""
    for event in stored.chart.events:
        if event.name == "verified":
            try:
                return tuple(from_plain(CheckResult, plain) for plain in event.detail["checks"])
            except (ValueError, TypeError, KeyError, AttributeError):  # nobody has checked this part of the folder
                return ()
    return ()


def _facts(stored: StoredRun) -> dict[str, str]:
    data = _mapping(stored.head.get("data"))
    facts = {name: str(value) for name, value in _mapping(stored.head.get("versions")).items()}
    facts |= {
        f"{name} samples": str(_mapping(split).get("samples")) for name, split in _mapping(data.get("splits")).items()
    }
    facts |= {"data fingerprint": str(data["fingerprint"])} if data.get("fingerprint") else {}
    facts |= {"weights digest": str(stored.digest)} if stored.digest else {}
    notes = data.get("notes")
    notes = notes if isinstance(notes, list) else []
    return facts | {f"note {place}": str(note) for place, note in enumerate(notes, start=1)}


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return what should be a mapping, or an empty one: nobody has checked this part of the folder."""
    return value if isinstance(value, Mapping) else {}
