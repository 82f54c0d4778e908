"""Files that are wrong in every way: read right, or refused in words, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from corpus import BOMBS, GOOD, SLOW, SOURCES, Case
from hostile_ask import Answer, ask, assert_plain, assert_refused, write_recipe

from trainwright.data.files import MOST_EXPANSION, check_expansion
from trainwright.errors import DataError

MOST_BYTES = 2 * 2**30
"""Memory that a bomb may be looked at with, beside what the libraries take: none is unpacked as a whole."""


def marked(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in SLOW else []) for case in cases]


@pytest.mark.parametrize("case", marked([case for case in SOURCES if case.words]))
def test_what_cannot_be_learnt_from_is_refused_in_words(case: Case, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, case.build(tmp_path))
    assert_refused(ask("train", recipe, "--folder", "run", cwd=tmp_path), tmp_path, case.words.strip())


@pytest.mark.slow
@pytest.mark.parametrize("case", marked([case for case in SOURCES if not case.words]))
def test_what_can_be_read_is_read_and_its_names_are_harmless(case: Case, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, case.build(tmp_path))
    answer = ask("summary", recipe, cwd=tmp_path)
    assert answer.status == 0, answer
    assert_plain(answer.out + answer.err)


@pytest.mark.slow
@pytest.mark.parametrize("case", marked(SOURCES))
def test_train_verify_and_new_agree_on_every_file(case: Case, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, case.build(tmp_path))
    source = json.loads(recipe.read_text().splitlines()[1].partition("= ")[2])
    for command in (["verify", recipe, "--quick"], ["new", source, "-o", "new.toml"], ["find-lr", recipe]):
        answer = ask(*command, cwd=tmp_path)
        if case.words and command[0] != "new":  # which may well write a recipe without a target
            assert_refused(answer, tmp_path)
        assert answer.status in (0, 1, 2, 3), answer
        assert_plain(answer.out + answer.err)
    if not case.words:
        answer = ask("train", recipe, "--folder", "run", cwd=tmp_path)
        assert answer.status in (0, 3), answer
        assert_plain(answer.out + answer.err)


@pytest.mark.slow
def test_predict_takes_every_file_as_train_does(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    assert ask("train", write_recipe(tmp_path, "good.csv"), "--folder", "model", cwd=tmp_path).status in (0, 3)
    for case in SOURCES:
        if case.name in SLOW:
            continue
        folder = tmp_path / case.name
        folder.mkdir()
        answer = ask("predict", tmp_path / "model", case.build(folder), "--output", "p.csv", cwd=folder)
        assert answer.status in (0, 1, 2), (case.name, answer)
        assert_plain(answer.out + answer.err)
        assert (folder / "p.csv").exists() == (answer.status == 0), case.name
        assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


LIMITED = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from hostile_ask import ask
import polars, torch, trainwright.stages.train
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[2]), resource.RLIM_INFINITY))
for folder in sys.argv[3:]:
    answer = ask("train", Path(folder) / "recipe.toml", "--folder", "run", cwd=Path(folder))
    print(json.dumps([folder, answer.status, answer.out, answer.err]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is bounded on Linux alone")
def test_bombs_are_refused_within_little_memory(tmp_path: Path) -> None:
    folders = []
    for case in BOMBS:
        folder = tmp_path / case.name
        folder.mkdir()
        write_recipe(folder, case.build(folder))
        folders.append(str(folder))
    command = [sys.executable, "-c", LIMITED, str(Path(__file__).parent), str(MOST_BYTES), *folders]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(BOMBS)
    for folder, *answer in answers:
        assert_refused(Answer(*answer), Path(folder))


def test_data_may_be_packed_well_and_small_ones_as_well_as_can_be() -> None:
    check_expansion("t", 256 * 2**20, 1)
    check_expansion("t", MOST_EXPANSION * 2**20, 2**20)
    with pytest.raises(DataError, match="like a decompression bomb"):
        check_expansion("t", MOST_EXPANSION * 2**20 + 1, 2**20)
