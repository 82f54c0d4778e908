"""What is asked to be ignored is left out, never counts as healthy, and is named by codes that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainwright.doctor.diagnose import Examination
from trainwright.doctor.kinds import CATALOGUE, explain, find_kind, silencing
from trainwright.doctor.silence import Silence, ignored_on_line, silence_of
from trainwright.records import CheckResult, Location, RunInfo, Setting

DEAD, SOFTMAX = find_kind("dead-relu").finding(), find_kind("TW301").finding()


def test_a_kind_is_ignored_by_its_code_or_its_slug_in_any_case() -> None:
    for name in ("TW301", "tw301", "softmax-before-cross-entropy"):
        assert Silence([name]).heard([DEAD, SOFTMAX]) == [DEAD]


def test_what_is_ignored_counts_as_not_judged_and_never_as_healthy() -> None:
    seen = Examination(findings=(SOFTMAX, DEAD), healthy=("plateau",), not_judged={})
    heard = Silence(["TW301"]).heard_of(seen)
    assert heard.findings == (DEAD,)
    assert heard.healthy == ("plateau",)
    assert "ignored" in heard.not_judged[SOFTMAX.kind]


@pytest.mark.parametrize(
    ("ignored", "status"),
    [([], "failed"), ([SOFTMAX.kind], "warned"), ([SOFTMAX.kind, DEAD.kind], "skipped")],
)
def test_a_check_stands_by_what_is_still_heard(ignored: list[str], status: str) -> None:
    result = CheckResult(check="wiring", status="failed", findings=(SOFTMAX, DEAD))
    heard = Silence(ignored).heard_of_check(result)
    assert heard.status == status
    assert ("ignored" in heard.reason) == (status == "skipped")


def test_a_check_that_passed_stays_as_it_is() -> None:
    result = CheckResult(check="wiring", status="passed")
    assert Silence(["TW301"]).heard_of_check(result) is result


def test_a_run_that_names_a_code_of_another_version_is_still_read() -> None:
    info = RunInfo(settings={"doctor.ignore": Setting(value=["TW999", "dead-relu", 3])})
    assert silence_of(info).heard([DEAD, SOFTMAX]) == [SOFTMAX]
    assert silence_of(RunInfo()).heard([DEAD]) == [DEAD]


def test_the_comment_on_the_page_silences_its_own_kind_and_no_other(tmp_path: Path) -> None:
    for kind in CATALOGUE.values():
        comment = dict(silencing(kind))["on one line of your program or recipe"]
        file = tmp_path / f"{kind.code}.py"
        file.write_text(f"loss.backward()  {comment}\n")
        where = Location(file=str(file), line=1)
        assert ignored_on_line(where, kind.code, kind.kind)
        assert not ignored_on_line(where, "TW000", "another")


def test_every_page_says_how_to_silence_its_kind() -> None:
    for code in CATALOGUE:
        page = explain(code).split("\n\n")
        assert page[-1].startswith("How to silence it\n")
        for written in (f"# trainwright: ignore[{code}]", f"--ignore {code}", f'ignore = ["{code}"]'):
            assert written in page[-1]
