"""Recipes and command lines of any bytes: status 1 or 2 and a message, never a traceback, a hang, or half a run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hostile_ask import ask, assert_plain, assert_refused, within_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainwright.errors import TrainwrightError
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import SECTIONS
from trainwright.stages.toml_text import toml

QUIET = settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(parent=QUIET, max_examples=5000)

BOMBS: dict[str, bytes] = {
    "arrays-in-arrays": b"[data]\nignore = " + b"[" * 100_000 + b"]" * 100_000,
    "tables-in-tables": b"[data]\nsource = " + b"{a=" * 50_000 + b"1" + b"}" * 50_000,
    "dotted-keys": b".".join([b"a"] * 100_000) + b" = 1\n",
    "dotted-headers": b"[" + b".".join([b"a"] * 20_000) + b"]\n",
    "many-sections": b"".join(b"[s%d]\nx = 1\n" % place for place in range(3_000)),
    "many-keys": b"[train]\n" + b"".join(b"k%d = 1\n" % place for place in range(3_000)),
    "one-huge-integer": b"[train]\nseed = " + b"9" * 1_000_000,
    "a-hexadecimal-integer": b"[train]\nseed = 0x" + b"f" * 100_000,
    "a-power-of-ten": b"[optimizer]\nlr = 1e999\n",
    "not-a-number": b"[optimizer]\nlr = nan\n",
    "minus-infinity": b"[train]\nclip_norm = -inf\n",
    "a-huge-text": b'[data]\nsource = "' + b"x" * 5_000_000 + b'"\n',
    "an-escape": b'[data]\nsource = "\\u001b[31m"\n',
    "a-nul": b'[data]\nsource = "\\u0000"\n',
    "a-raw-nul": b"[data]\nsource = '\0'\n",
    "a-surrogate": b'[data]\nsource = "\\ud800"\n',
    "no-utf-8": b"[data]\nsource = '\xff\xfe'\n",
    "utf-16": "[data]\n".encode("utf-16"),
    "a-yaml-bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    "a-yaml-tag": b"!!python/object/apply:os.system ['touch sentinel']\n",
    "quotes-without-end": b'"""' * 33_333,
    "a-date-beyond-dates": b"[train]\nseed = 9999-99-99\n",
    "markup": b'["</script>\\u202e"]\n"\\u001b[2J" = 1\n',
    "class": b"[data]\nsource = 'iris'\n[model]\nname = 'os:system'\n",
    "code": b"[data]\nsource = 'iris'\n[model]\nname = 'builtins:eval'\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_recipe_that_is_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(BOMBS[name])
    answer = ask("train", "recipe.toml", "--folder", "run", cwd=tmp_path)
    assert answer.status in (1, 2), answer.err[:2000]
    assert "Traceback" not in answer.err
    assert len(answer.err) < 200_000
    assert_plain(answer.err)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_a_recipe_without_end_is_refused(tmp_path: Path) -> None:
    for place in ("/dev/zero", "/dev", str(tmp_path)):
        assert ask("verify", place, cwd=tmp_path).status in (1, 2)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["auto", "find", "mlp", "sgd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(sorted({key for section in SECTIONS.values() for key in section.model_fields}))
sections = st.dictionaries(
    st.sampled_from(sorted(SECTIONS)) | st.text(max_size=8),
    st.dictionaries(names | st.text(max_size=8), values, max_size=4) | values,
    max_size=4,
)


def check_words(problem: TrainwrightError) -> None:
    assert str(problem)


def check_plain(plain: dict[str, Any]) -> None:
    """A recipe, or a refusal with words; what is a recipe can be written and read again."""
    with within_time():
        try:
            recipe = Recipe.of(plain)
        except TrainwrightError as problem:
            check_words(problem)
            return
        written = recipe.to_toml()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "r.toml").write_text(written, encoding="utf-8")
            assert Recipe.read(Path(folder) / "r.toml").plain() == recipe.plain()
        assert toml("x") == '"x"'


def check_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, within_time():
        (Path(folder) / "r.toml").write_bytes(content)
        try:
            Recipe.read(Path(folder) / "r.toml")
        except TrainwrightError as problem:
            check_words(problem)


WORDS = ["train", "verify", "new", "predict", "report", "runs", "list", "import", "explain", "schedule", "find-lr"]
OPTIONS = [
    "--set",
    "--json",
    "-",
    "--untrusted",
    "--folder",
    "--only",
    "--budget",
    "--max-time",
    "-h",
    "--",
    "--target",
]
arguments = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(OPTIONS) | st.text(st.characters(exclude_characters="\0"), max_size=12),
    max_size=6,
)


def check_arguments(given_arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = ask(*given_arguments, cwd=Path(folder))
        assert answer.status in (0, 1, 2), (given_arguments, answer)
        assert "Traceback" not in answer.err
        assert list(Path(folder).rglob("run.json")) == []


@QUIET
@given(sections)
def test_any_sections_are_a_recipe_or_refused(plain: dict[str, Any]) -> None:
    check_plain(plain)


@QUIET
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_recipe_or_refused(content: bytes) -> None:
    check_bytes(content)


@settings(parent=QUIET, max_examples=50)
@given(arguments)
def test_any_command_line_is_answered(given_arguments: list[str]) -> None:
    check_arguments(given_arguments)


@pytest.mark.slow
@LONG
@given(sections)
def test_many_sections_are_recipes_or_refused(plain: dict[str, Any]) -> None:
    check_plain(plain)


@pytest.mark.slow
@settings(parent=QUIET, max_examples=1000)
@given(arguments)
def test_many_command_lines_are_answered(given_arguments: list[str]) -> None:
    check_arguments(given_arguments)


@pytest.mark.parametrize(
    "change", ["data.source=", "data.source=\x1b[31m", "a.b.c.d=1", "=", "train.seed=1e999", "x" * 9000]
)
def test_a_hostile_setting_is_refused(change: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[data]\nsource = 'iris'\n")
    assert_refused(ask("train", "recipe.toml", "--folder", "run", "--set", change, cwd=tmp_path), tmp_path)
