"""The pages: their code is what was run, their links lead somewhere, and nothing public is left out."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trainwright
from trainwright.checks.catalogue import CATALOGUE as CHECKS
from trainwright.doctor.kinds import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
with pytest.MonkeyPatch.context() as patch:  # the folder docs is no package that is installed
    patch.syspath_prepend(ROOT)
    blocks, execute = (importlib.import_module(f"docs.{name}") for name in ("blocks", "execute"))
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "docs")
    commands_page, errors_page = (importlib.import_module(name) for name in ("commands_page", "errors_page"))

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
PAGE = """# A page

```python exec
print("a" * 3)
```

```text output
old
```

Words.

    ```console exec tail=1
    $ trainwright --version
    ```

```python file=train.py
x = 1
```
"""


def test_no_code_on_a_page_was_changed_since_it_was_run() -> None:
    assert execute.main(["--check"]) == 0


def test_what_is_run_is_told_from_what_is_a_file() -> None:
    found = list(blocks.blocks_of(PAGE))
    assert [block.kind for block in found] == ["python", "console", "file"]
    assert found[0].written == "old"
    assert found[1].body == "$ trainwright --version"
    assert found[1].option("tail") == "1"
    assert found[2].option("file") == "train.py"


def test_what_was_printed_replaces_what_was_written_and_again_changes_nothing() -> None:
    printed = {"python": "aaa", "console": "trainwright 1\nmore", "file": ""}
    once = blocks.with_outputs(PAGE, [(block, printed[block.kind]) for block in blocks.blocks_of(PAGE)])
    assert "```text output\naaa\n```" in once
    assert "    ```text output\n    trainwright 1\n    more\n    ```" in once
    assert "old" not in once
    assert blocks.with_outputs(once, [(block, printed[block.kind]) for block in blocks.blocks_of(once)]) == once


def test_a_block_that_cannot_be_run_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be run"):
        list(blocks.blocks_of("```toml exec\na = 1\n```\n"))


@pytest.mark.parametrize(
    ("written", "printed", "agree"),
    [
        ("in 3.2 s", "in 12 s", True),
        ("baselines: healthy (0.155 s)", "baselines: healthy", True),
        ("loss 0.500", "loss 0.510", True),
        ("loss 0.500", "loss 0.600", False),
        ("error 2.4e-07", "error 0", True),
        ("⠉⠑⠒ 1", "⠢⠤ 1", True),
        ("finished", "diverged", False),
        ("1 error", "2 errors", False),
        ("used = 72 of 75", "used = 79 of 84", True),
        ("used = 72 of 75", "used = 21 of 84", False),
    ],
)
def test_outputs_agree_but_for_durations_drawings_and_small_differences(
    written: str, printed: str, agree: bool
) -> None:
    assert execute.same(written, printed) is agree


@pytest.mark.parametrize("page", blocks.pages(), ids=blocks.name_of)
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [(page.parent / target).resolve() for target in LINK.findall(text)]
    # Of the reference, which is made from the code, `make docs` says what is missing.
    assert [target for target in targets if "reference" not in target.parts and not target.exists()] == []


def test_every_public_name_has_its_place_in_the_reference() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: trainwright\.[\w.]*?(\w+)$", text, flags=re.MULTILINE))
    assert set(trainwright.__all__) - documented == set()
    assert [name for name in trainwright.__all__ if f"`tw.{name}`" not in text] == []


@pytest.mark.parametrize("name", trainwright.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(trainwright, name)
    assert value.__doc__
    assert value.__doc__[0].isupper()
    if callable(value) and not isinstance(value, type):
        assert "Raise" in value.__doc__ or name in {"diagnose"}, "what it raises is not told"


def test_every_command_is_on_its_page() -> None:
    page = commands_page.page()
    for name in ("demo", "verify", "train", "tune", "finish", "run", "resume", "predict", "lab run", "runs show"):
        assert f"## trainwright {name}\n" in page
    assert "`--max-time TIME`" in page


def test_every_error_of_the_source_is_on_its_page() -> None:
    told = errors_page.messages()
    made = sum(
        len(
            re.findall(
                r"\b(?:UsageError|RecipeError|DataError|ModelError|RunError)\(\s*[^)\s]", path.read_text("utf-8")
            )
        )
        for path in errors_page.SOURCE.rglob("*.py")
    )
    classes = 5  # their own definitions
    assert len(told) >= made - classes
    assert any(message.what.startswith("the step h must lie between") and message.remedy for message in told)


def test_readme_tells_the_wards_own_figures() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ward = (ROOT / "docs" / "reference" / "ward.md").read_text(encoding="utf-8").split("## The reporting half")[1]
    named, sick = re.search(r"named (\d+)/(\d+)", ward).groups()  # type: ignore[union-attr]
    assert f"{named} of {sick}" in readme
    for kind, words in (("controls", "healthy controls"), ("twins", "fixed twins")):
        errors, warnings = re.search(
            rf"{words}: \d+ runs, with errors (\d+)/\d+ \d+%, with warnings (\d+)", ward
        ).groups()  # type: ignore[union-attr]
        assert f"{errors} and {warnings} of" in readme, kind


def test_readme_counts_the_kinds_and_the_checks_that_there_are() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"[{len(CATALOGUE)} kinds]" in readme
    assert f"[{len(CHECKS)} checks]" in readme


@pytest.mark.slow
def test_all_code_on_the_pages_prints_what_stands_under_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.execute", "--compare"], cwd=ROOT, capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ["simulation_pictures", "verbs"])
def test_pictures_are_those_that_the_numbers_give(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"docs.{module}", "--compare"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_built_site_fetches_nothing_and_loses_no_link(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    subprocess.run([sys.executable, "docs/check_site.py", str(site)], cwd=ROOT, check=True, timeout=600)
