from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.report import render_finding, render_findings, severity_counts
from trainwright.report.phrases import evidence_phrase, patch_lines
from trainwright.report.source import MAX_BYTES, read_source_line

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

EXAMPLE = Finding(
    code="TW301",
    kind="softmax-before-cross-entropy",
    severity="error",
    title="softmax is applied before cross_entropy",
    where=Location(file="train.py", line=41),
    evidence=(
        Evidence(name="every row of the input sums to 1 (max deviation 1.2e-07) over 5 of 5 batches", value=True),
    ),
    because="cross_entropy applies log-softmax itself; a second softmax flattens the gradient; "
    "the loss cannot go below 1.461",
    remedies=(Remedy(text="pass the raw logits; call softmax only when you predict"),),
)
EXAMPLE_TEXT = """\
error[TW301]: softmax is applied before cross_entropy
  --> train.py:41
   |
41 |     loss = F.cross_entropy(probs, y)
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^
   = evidence: every row of the input sums to 1 (max deviation 1.2e-07) over 5 of 5 batches
   = because:  cross_entropy applies log-softmax itself; a second softmax flattens the gradient; the loss cannot go \
below 1.461
   = remedy:   pass the raw logits; call softmax only when you predict
   = more:     trainwright explain TW301"""


def finding(**changes: object) -> Finding:
    fields: dict[str, object] = {"code": "TW000", "kind": "some-kind", "severity": "warning", "title": "title"}
    return Finding(**(fields | changes))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_line(folder: Path, line: str, number: int = 41, name: str = "train.py") -> Location:
    (folder / name).write_text("\n" * (number - 1) + line + "\nafter()\n", encoding="utf-8")
    return Location(file=name, line=number)


def excerpt(where: Location, width: int = 100) -> list[str]:
    lines = render_finding(finding(where=where), width=width).splitlines()
    return [line for line in lines if re.match(r" *\d* \|", line)]


def test_the_example_reads_exactly_as_promised(folder: Path) -> None:
    write_line(folder, "    loss = F.cross_entropy(probs, y)")
    assert render_finding(EXAMPLE, width=140) == EXAMPLE_TEXT


def test_long_texts_wrap_with_a_hanging_indent_under_the_text(folder: Path) -> None:
    write_line(folder, "    loss = F.cross_entropy(probs, y)")
    lines = render_finding(EXAMPLE, width=100).splitlines()
    start = next(index for index, line in enumerate(lines) if "because" in line)
    assert lines[start].endswith("flattens the gradient; the")
    assert lines[start + 1] == "               loss cannot go below 1.461"
    assert all(len(line) <= 100 for line in lines)


def test_colour_changes_nothing_but_the_escapes(folder: Path) -> None:
    write_line(folder, "    loss = F.cross_entropy(probs, y)")
    painted = render_finding(EXAMPLE, color=True, width=140)
    assert "\x1b[" in painted
    assert ESCAPE.sub("", painted) == EXAMPLE_TEXT


def test_tabs_in_the_source_line_do_not_shift_the_carets(folder: Path) -> None:
    assert excerpt(write_line(folder, "\t\tloss =\tf(x)  # a comment")) == [
        "   |",
        "41 |         loss =  f(x)  # a comment",
        "   |                 ^^^^",
    ]


def test_wide_characters_in_the_source_line_do_not_shift_the_carets(folder: Path) -> None:
    _, line, carets = excerpt(write_line(folder, "損失 = f(x)"))
    assert line == "41 | 損失 = f(x)"
    assert carets == "   |        ^^^^"  # two characters of two columns each, and the three of " = "


@pytest.mark.parametrize(
    ("line", "underlined"),
    [
        ("lr = 30.0  # far too high", "30.0"),
        ("return probs", "probs"),
        ("loss += penalty(x)", "penalty(x)"),
        ("optimizer.step()  # twice", "optimizer.step()"),
        ("with torch.no_grad():", "with torch.no_grad():"),
        ("loss = F.cross_entropy(", "loss = F.cross_entropy("),
        (r's = "\d"', r'"\d"'),
    ],
)
def test_the_part_that_matters_is_underlined(folder: Path, line: str, underlined: str) -> None:
    source = read_source_line(write_line(folder, f"    {line}"))
    assert source is not None
    assert source.text[source.start : source.end] == underlined


def test_the_gutter_grows_with_the_line_number(folder: Path) -> None:
    lines = render_finding(finding(where=write_line(folder, "x = 1", number=12345))).splitlines()
    assert lines[1:5] == ["     --> train.py:12345", "      |", "12345 | x = 1", "      |     ^"]


def test_a_line_longer_than_the_terminal_is_cut(folder: Path) -> None:
    where = write_line(folder, "x = [" + "1, " * 200 + "]")
    assert all(len(line) <= 60 for line in excerpt(where, width=60))


def test_the_arrow_names_module_parameter_and_step() -> None:
    def arrow(where: Location, step: int | None) -> str:
        return render_finding(finding(where=where, step=step)).splitlines()[1]

    assert arrow(Location(file="recipe.toml", line=7), 120) == "  --> recipe.toml:7, at step 120"
    assert arrow(Location(module="layers.3"), 60) == "  --> layers.3 (module), at step 60"
    assert arrow(Location(module="layers.3", parameter="weight"), None) == "  --> layers.3.weight (parameter)"
    assert arrow(Location(parameter="layers.3.weight"), None) == "  --> layers.3.weight (parameter)"
    assert arrow(Location(), 60) == "  --> at step 60"
    assert "-->" not in render_finding(finding())


def test_a_path_inside_the_working_folder_is_shown_without_it(folder: Path) -> None:
    assert "  --> train.py:1" in render_finding(finding(where=Location(file=str(folder / "train.py"), line=1)))
    outside = str(folder.parent / "elsewhere.py")
    assert f"  --> {outside}:1" in render_finding(finding(where=Location(file=outside, line=1)))


@pytest.mark.parametrize(
    ("evidence", "phrase"),
    [
        (Evidence(name="loss", value=8.3123, threshold=6.9, step=40), "loss: 8.312 (threshold 6.9, step 40)"),
        (Evidence(name="loss", value=math.nan, step=3), "loss: NaN (step 3)"),
        (Evidence(name="loss", value=-math.inf), "loss: minus infinity"),
        (Evidence(name="gap", value=0.72, unit="nats"), "gap: 0.72 nats"),
        (Evidence(name="samples", value=1437), "samples: 1,437"),
        (Evidence(name="weight", value=1.23456e-7), "weight: 1.235e-07"),
        (Evidence(name="loss", value=1e30), "loss: 1e+30"),
        (Evidence(name="count", value=10**400), "count: above 1e+308"),
        (Evidence(name="the loss has no path to any weight", value=True), "the loss has no path to any weight"),
        (Evidence(name="shuffled", value=False), "shuffled: no"),
        (Evidence(name="operation", value="Softmax"), "operation: Softmax"),
    ],
)
def test_evidence_reads_as_a_short_phrase(evidence: Evidence, phrase: str) -> None:
    assert evidence_phrase(evidence) == phrase


def test_a_remedy_shows_its_recipe_patch_below_its_text() -> None:
    remedy = Remedy(
        text="lower it", change={"optimizer.lr": 0.0003, "schedule.name": "cosine", "train.averaging": True}
    )
    lines = render_finding(finding(remedies=(remedy,))).splitlines()
    start = lines.index("   = remedy:   lower it")
    patch = lines[start + 1 : start + 4]
    assert [line.strip() for line in patch] == [
        "optimizer.lr = 0.0003",
        'schedule.name = "cosine"',
        "train.averaging = true",
    ]
    assert all(line.startswith(" " * 15) for line in patch)


@given(st.one_of(st.text(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans()))
def test_a_recipe_patch_is_valid_toml_that_holds_the_value(value: str | float | bool) -> None:
    (line,) = patch_lines({"a.b": value})
    if isinstance(value, str) and not value.isprintable():
        return  # shown escaped: fit for reading, not for pasting
    read = tomllib.loads(line)["a"]["b"]
    assert read == value or (value != value and read != read)


def test_findings_come_worst_first_and_are_counted() -> None:
    findings = [
        finding(code="TW1", severity="note"),
        finding(code="TW2", severity="warning"),
        finding(code="TW3", severity="error"),
        finding(code="TW4", severity="warning"),
    ]
    text = render_findings(findings)
    assert re.findall(r"^\w+\[(\w+)\]", text, re.MULTILINE) == ["TW3", "TW2", "TW4", "TW1"]
    assert text.count("\n\n") == 4
    assert text.splitlines()[-1] == "1 error, 2 warnings, 1 note"
    assert severity_counts(findings[1:3]) == "1 error, 1 warning"


def test_no_findings_are_said_with_the_healthy_sign() -> None:
    assert render_findings([]) == "✓ no findings"
    assert severity_counts([]) == "no findings"


@pytest.mark.parametrize("line", [0, -1, 3, 10**9])
def test_a_line_that_does_not_exist_shows_the_arrow_alone(folder: Path, line: int) -> None:
    (folder / "train.py").write_text("one()\n\n")
    assert read_source_line(Location(file="train.py", line=line)) is None
    assert "  --> train.py:" in render_finding(finding(where=Location(file="train.py", line=line)))


def test_nothing_but_a_readable_file_of_bounded_size_is_read(folder: Path) -> None:
    (folder / "large.py").write_bytes(b"x = 1\n" * (MAX_BYTES // 6 + 1))
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    for name in ("large.py", "folder.py", "pipe.py", "absent.py", "nul\0l.py", "/dev/zero", "x" * 5000):
        assert read_source_line(Location(file=name, line=1)) is None


def test_bytes_that_are_not_utf8_are_replaced(folder: Path) -> None:
    (folder / "latin.py").write_bytes(b"name = '\xe9'\r\n")
    source = read_source_line(Location(file="latin.py", line=1))
    assert source is not None
    assert source.text == "name = '\ufffd'"


def test_no_escape_of_hostile_text_reaches_the_terminal(folder: Path) -> None:
    hostile = "a\x1b[31mred\x07\x9b2J\x7f\u202eevil\u2066\nerror[TW999]: forged\r\x00\ud800"
    write_line(folder, "x = '\x1b[2J\u202e'", number=1)
    findings = [
        finding(
            code=hostile,
            title=hostile,
            where=where,
            because=hostile,
            evidence=(Evidence(name=hostile, value=hostile, threshold=hostile, unit=hostile),),
            remedies=(Remedy(text=hostile, change={hostile: hostile}),),
        )
        for where in (Location(file="train.py", line=1), Location(file=hostile, module=hostile, parameter=hostile))
    ]
    text = render_findings(findings)
    assert not DANGEROUS.search(text)
    assert "\\x1b[31m" in text
    assert "\\u202e" in text
    assert not re.search(r"^error\[TW999\]", text, re.MULTILINE)
    assert not DANGEROUS.search(ESCAPE.sub("", render_findings(findings, color=True)))


@given(st.text(), st.integers(-5, 200))
def test_any_text_at_any_width_renders_without_controls(text: str, width: int) -> None:
    rendered = render_finding(
        finding(title=text, because=text, where=Location(module=text), evidence=(Evidence(name=text, value=text),)),
        width=width,
    )
    assert not DANGEROUS.search(rendered)
