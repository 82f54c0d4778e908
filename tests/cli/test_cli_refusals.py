"""Bad input of every kind: one clear message, the right status, no traceback, and no run folder left behind."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cli_answers import QUICK, Ask, assert_refused, kept_runs, process, strict_json, write
from cli_refused import train

from trainwright.cli.run import run
from trainwright.data.files import locate
from trainwright.doctor.kinds import name_problem
from trainwright.errors import DataError, RecipeError, UsageError
from trainwright.stages.recipe import Recipe

EVERY_MISTAKE = """\
[data]
source = 3
task = "clasification"
validation = 1.5
ignore = ["a", 2]

[optimzer]
lr = 1

[optimizer]
name = "sgd"
beta1 = 0.9
lr = -1.0

[train]
epochs = 0
batch_size = "many"
seed = 1.5
clip_norm = true

[model]
name = "mpl"

[loss]
name = "crossentropy"

[schedule]
name = "warmup_cosin"

[doctor]
level = "on"
"""


# --- the recipe as a file ---


def test_a_missing_recipe_is_refused_with_the_way_to_one(ask: Ask, place: Path) -> None:
    answer = ask("train", "nowhere.toml")
    assert_refused(answer, 1, "nowhere.toml cannot be read", "No such file", "trainwright new DATA", place=place)


def test_a_folder_is_no_recipe(ask: Ask, place: Path) -> None:
    assert_refused(ask("train", place), 1, "cannot be read", "Is a directory", place=place)


def test_a_binary_file_is_no_recipe(ask: Ask, place: Path) -> None:
    assert_refused(train(ask, place, bytes(range(256))), 1, "cannot be read", "not UTF-8", place=place)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ('[data]\nsource = "iris"\nlr = \n', "line 3"),
        ('[data]\nsource = "iris', "at end of document"),
        ("[data]\n[data]\n", "line 2"),
        ("[optimizer]\nlr = 1\nlr = 2\n", "line 3"),
        ("data: {source: iris}\n", "line 1"),
        ("[train]\nseed = " + "9" * 5000, "4300"),
        ("[data]\nignore = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    ],
)
def test_invalid_toml_is_refused_with_its_place(recipe: str, words: str, ask: Ask, place: Path) -> None:
    assert_refused(
        train(ask, place, recipe), 2, "recipe.toml has a problem", "it is not valid TOML", words, place=place
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(ask: Ask, place: Path) -> None:
    answer = train(ask, place, EVERY_MISTAKE)
    assert_refused(answer, 2, place=place)
    assert [line.strip() for line in answer.err.splitlines()[1:]] == [
        "recipe.toml:2: data.source must be text in quotes, not 3",
        "recipe.toml:3: data.task cannot be 'clasification'; did you mean 'classification'?",
        "recipe.toml:4: data.validation must be less than 1, not 1.5",
        "recipe.toml:5: data.ignore must be text in quotes, not 2",
        "recipe.toml:7: there is no section [optimzer]; did you mean 'optimizer'?",
        "recipe.toml:12: optimizer 'sgd' has no key 'beta1'; known: name, rates, lr, weight_decay, layer_decay",
        "recipe.toml:13: optimizer.lr must be above 0, not -1",
        "recipe.toml:16: train.epochs must be at least 1 and at most 1000000000, not 0",
        "recipe.toml:17: train.batch_size must be a whole number or 'auto', not 'many'",
        "recipe.toml:18: train.seed must be a whole number, not 1.5",
        "recipe.toml:19: train.clip_norm must be a number, not True",
        "recipe.toml:22: there is no model 'mpl'; did you mean 'mlp'?",
        "recipe.toml:25: there is no loss 'crossentropy'; did you mean 'cross_entropy'?",
        "recipe.toml:28: there is no schedule 'warmup_cosin'; did you mean 'warmup_cosine'?",
        "recipe.toml:31: doctor.level cannot be 'on'; known: off, light, full",
    ]
    assert "recipe.toml has 15 problems" in answer.err


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("[model]\nwidht = 3\n", "recipe.toml:2: [model] has no key 'widht'; did you mean 'width'?"),
        ('[model]\nwidht = "auto"\n', "recipe.toml:2: [model] has no key 'widht'; did you mean 'width'?"),
        ("[train]\nepoch = 3\n", "recipe.toml:2: [train] has no key 'epoch'; did you mean 'epochs'?"),
        ("[train]\n\"literal['auto']\" = 3\n", "recipe.toml:2: [train] has no key 'literal['auto']'"),
        ("train.epoch = 3\n", "recipe.toml:1: [train] has no key 'epoch'; did you mean 'epochs'?"),
        ("path = 'x'\n", "recipe.toml:1: there is no section [path]"),
        ("[lines]\na = 1\n", "recipe.toml:1: there is no section [lines]"),
        ("optimizer = 'adam'\n", "recipe.toml:1: [optimizer] must be a section of keys, not 'adam'"),
        ("[[train]]\nepochs = 3\n", "recipe.toml:1: [train] must be a section of keys"),
        ("[optimizer]\nname = 'adan'\n", "recipe.toml:2: there is no optimizer 'adan'; did you mean 'adam'?"),
        ("[optimizer]\nname = 3\n", "recipe.toml:2: optimizer.name must be text in quotes, not 3"),
        ("[optimizer]\nlr = nan\n", "recipe.toml:2: optimizer.lr must be a finite number, not nan"),
        ("[optimizer]\nlr = '0.1'\n", "recipe.toml:2: optimizer.lr must be a number, not '0.1'"),
        ("[optimizer]\nbeta1 = 1.0\n", "recipe.toml:2: optimizer.beta1 must be at least 0 and at most 0.999999"),
        ("[optimizer]\nmomentum = 0.9\n", "recipe.toml:2: optimizer 'adamw' has no key 'momentum'"),
        ("[schedule]\nwarmup = 0.95\n", "recipe.toml:2: schedule.warmup must be at least 0 and at most 0.9"),
        ("[model]\ndropout = 1\n", "recipe.toml:2: model.dropout must be at least 0 and at most 0.99, not 1"),
        ("[model]\nwidth = 1.5\n", "recipe.toml:2: model.width must be a whole number, not 1.5"),
        ("[train]\nthreads = 1000000\n", "recipe.toml:2: train.threads must be at least 1 and at most 1024"),
        ("[train]\nepochs = 1e3\n", "recipe.toml:2: train.epochs must be a whole number or 'auto', not 1000.0"),
        ("[train]\nseed = -1\n", "recipe.toml:2: train.seed must be at least 0, not -1"),
        ("[data]\nvalidation = nan\n", "recipe.toml:2: data.validation must be"),
        ("[data]\nignore = 'a'\n", "recipe.toml:2: data.ignore must be a list, such as ['a', 'b'], not 'a'"),
    ],
)
def test_a_mistake_in_a_recipe_is_told_with_file_line_and_the_nearest_name(
    recipe: str, words: str, ask: Ask, place: Path
) -> None:
    answer = train(ask, place, recipe)
    assert_refused(answer, 2, "recipe.toml has a problem:", words, place=place)
    assert len(answer.err.splitlines()) == 2


# --- settings from the command line ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.lr", "--set optimizer.lr does not name a setting"),
        ("lr=0.1", "write it as SECTION.KEY=VALUE, such as optimizer.lr=0.01"),
        ("=", "write it as SECTION.KEY=VALUE"),
        ("optimizer.=1", "is not the name of a setting"),
        (".lr=1", "there is no section []"),
        ("optimiser.lr=1", "there is no section [optimiser]; did you mean 'optimizer'?"),
        ("optimizer.lrr=1", "[optimizer] has no key 'lrr'; did you mean 'lr'?"),
        ("optimizer.lr=fast", "optimizer.lr must be a number, not 'fast'"),
        ("optimizer.lr=", "optimizer.lr must be a number, not ''"),
        ("optimizer.lr=-1", "optimizer.lr must be above 0, not -1"),
        ("optimizer.lr=" + "9" * 5000, "optimizer.lr must be a number"),
        ("data.ignore=" + "[" * 3000, "data.ignore must be a list"),
        ("path.x=1", "there is no section [path]"),
    ],
)
def test_a_setting_that_cannot_be_is_wrong_usage(change: str, words: str, ask: Ask, place: Path) -> None:
    assert_refused(train(ask, place, QUICK, "--set", change), 2, words, place=place)


def test_a_bad_setting_from_the_command_line_is_not_blamed_on_a_line_of_the_recipe(ask: Ask, place: Path) -> None:
    answer = train(ask, place, "[optimizer]\nlr = 0.1\n", "--set", "optimizer.lr=-1")
    assert_refused(answer, 2, "optimizer.lr must be above 0, not -1", place=place)
    assert "recipe.toml:" not in answer.err


def test_a_slip_in_a_setting_is_told_before_torch_is_loaded(place: Path) -> None:
    write(place / "recipe.toml")
    answer = process("train", "recipe.toml", "--set", "lr", cwd=place, PYTHONPROFILEIMPORTTIME="1")
    assert answer.status == 2
    assert "error: --set lr does not name a setting" in answer.err
    assert re.search(r"\| +typer$", answer.err, re.MULTILINE)
    assert not re.search(r"\| +torch$", answer.err, re.MULTILINE)


# --- what does not fit together ---


@pytest.mark.parametrize(
    ("recipe", "status", "words"),
    [
        (
            '[data]\nsource = "iris"\n[train]\nbatch_size = 107\n',
            2,
            ["recipe.toml:4: train.batch_size = 107 is more than the 106 training samples; use at most 106"],
        ),
        (
            '[data]\nsource = "iris"\n[loss]\nname = "mse"\n',
            2,
            ["recipe.toml:4: loss 'mse' is for regression, the data for classification; use 'cross_entropy'"],
        ),
        (
            '[data]\nsource = "iris"\n[loss]\nname = "bce_with_logits"\n',
            2,
            ["recipe.toml:4: loss 'bce_with_logits' is for two classes, the data have 3; use 'cross_entropy'"],
        ),
        (
            '[data]\nsource = "diabetes"\n[loss]\nname = "cross_entropy"\n',
            2,
            ["recipe.toml:4: loss 'cross_entropy' is for classification, the data for regression; use 'mse'"],
        ),
        ('[data]\nsource = "iris"\n[model]\nname = "cnn"\n', 1, ["a cnn cannot take samples of shape (4,)", "'mlp'"]),
        ('[data]\nsource = "digits"\n[model]\nname = "cnn"\ndepth = 5\n', 1, ["8 x 8", "model.depth = 4"]),
        ('[data]\nsource = "iris"\ntask = "regression"\n', 2, ["'iris' is a classification data set"]),
        ('[data]\nsource = "iris"\ntarget = "species"\n', 2, ["data.target has no meaning for 'iris'"]),
        ('[data]\nsource = ""\n', 2, ["no data is given", "digits, wine"]),
        ('[data]\nsource = "iris"\nvalidation = 0.6\ntest = 0.4\n', 2, ["leave no rows to train on"]),
        ('[data]\nsource = "iris"\ntest_source = "x.csv"\n', 2, ["data.test_source has no meaning for 'iris'"]),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_a_step(
    recipe: str, status: int, words: list[str], ask: Ask, place: Path
) -> None:
    assert_refused(train(ask, place, recipe), status, *words, place=place)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:-1", "meta", "abacus", "", "cpu:x"])
def test_a_device_that_does_not_exist_is_refused(device: str, ask: Ask, place: Path) -> None:
    answer = train(ask, place, QUICK, "--set", f"train.device={device}")
    assert_refused(answer, 2, f"there is no device '{device}' here", "'auto' takes what there is", place=place)


# --- places ---


def test_a_folder_that_is_taken_is_refused_and_left_as_it_was(ask: Ask, place: Path) -> None:
    mine = write(place / "taken" / "notes.txt", "mine")
    answer = train(ask, place, QUICK, "--folder", "taken")
    assert_refused(answer, 1, "taken exists and is not an empty folder", "choose another folder", place=place)
    assert_refused(train(ask, place, QUICK, "--folder", mine), 1, "is not an empty folder", place=place)
    assert_refused(ask("demo", "--folder", "taken"), 1, "is not an empty folder", place=place)
    assert [path.name for path in (place / "taken").iterdir()] == ["notes.txt"]
    assert mine.read_text() == "mine"


def test_a_run_is_never_written_over_another(ask: Ask, place: Path) -> None:
    assert train(ask, place, QUICK, "--folder", "run").status == 0
    before = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}
    answer = train(ask, place, QUICK, "--folder", "run")
    assert answer.status == 1
    assert "run already holds a run" in answer.err
    assert {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("folder", ["recipe.toml/run", "n" * 300, "/dev/null/run"])
def test_a_folder_that_cannot_be_made_is_refused(folder: str, ask: Ask, place: Path) -> None:
    assert_refused(train(ask, place, QUICK, "--folder", folder), 1, folder.split("/")[0], place=place)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_without_permission_is_refused(ask: Ask, place: Path) -> None:
    (place / "closed").mkdir(mode=0o500)
    assert_refused(train(ask, place, QUICK, "--folder", "closed/run"), 1, "Permission denied", place=place)
    assert_refused(train(ask, place, QUICK, "--json", "closed/a.json"), 1, "cannot be written", place=place)


@pytest.mark.parametrize("json_file", [".", "recipe.toml/answer.json", "n" * 300])
def test_json_that_cannot_be_written_is_told_before_the_work_is_done(json_file: str, ask: Ask, place: Path) -> None:
    answer = train(ask, place, QUICK, "--folder", "run", "--json", json_file)
    assert_refused(answer, 1, place=place)
    assert answer.out == ""
    assert not (place / "run").exists()
    assert "--json" in answer.err or "too long" in answer.err


def test_json_to_a_full_disk_is_an_error_without_a_traceback(ask: Ask, place: Path) -> None:
    answer = ask("explain", "all", "--json", "/dev/full")
    assert_refused(answer, 1, "/dev/full cannot be written", "No space left on device", place=place)


@pytest.mark.parametrize("command", [["report"], ["runs", "show"], ["runs", "list"]])
@pytest.mark.parametrize("folder", ["nowhere", "n" * 300, "recipe.toml"])
def test_what_is_no_run_is_told_so(command: list[str], folder: str, ask: Ask, place: Path) -> None:
    write(place / "recipe.toml")
    assert_refused(ask(*command, folder), 1, folder, place=place)
    assert not list(place.rglob("report.html"))


def test_a_recipe_is_never_written_over(ask: Ask, place: Path) -> None:
    mine = write(place / "recipe.toml", "# mine\n")
    assert_refused(ask("new", "iris"), 1, "recipe.toml exists already", "--output", place=place)
    assert_refused(ask("new", "iris", "-o", place), 1, "exists already", place=place)
    assert_refused(ask("new", "iris", "-o", "no/such/folder.toml"), 1, "cannot be written", place=place)
    assert_refused(ask("new", "iris", "-o", "n" * 300), 1, "too long", place=place)
    assert mine.read_text() == "# mine\n"


# --- for programs ---


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "nowhere.toml"],
        ["train", "recipe.toml", "--set", "lr"],
        ["train", "recipe.toml", "--set", "model.name=mpl"],
        ["train", "recipe.toml", "--set", "data.source=irs"],
        ["train", "recipe.toml", "--folder", "recipe.toml"],
        ["new", "irs"],
        ["report", "nowhere"],
        ["runs", "show", "nowhere"],
        ["runs", "list", "nowhere"],
        ["runs"],
        ["explain", "TW999"],
        ["demo", "--folder", "recipe.toml"],
    ],
)
def test_a_failure_is_one_json_document_too(arguments: list[str], ask: Ask, place: Path) -> None:
    write(place / "recipe.toml")
    plain, answer = ask(*arguments), ask(*arguments, "--json", "-")
    assert answer.status == plain.status in (1, 2)
    assert answer.err == plain.err
    document = answer.document
    assert document["schema"] == 1
    assert document["findings"] == []
    assert list(document["error"]) == ["what", "evidence", "remedy"]
    assert document["error"]["what"].splitlines()[0] in answer.err
    assert ask(*arguments, "--json", "new/folder/answer.json").status == plain.status
    assert strict_json((place / "new" / "folder" / "answer.json").read_text(encoding="utf-8")) == document
    assert kept_runs(place) == []


def test_a_recipe_is_not_run_as_a_program() -> None:
    with pytest.raises(UsageError, match=r"is a recipe[\s\S]*trainwright train d.toml"):
        run(
            "d.toml",
            [],
            as_module=False,
            level="light",
            strict=False,
            stop_on=None,
            ignore=[],
            json_file=None,
            sarif_file=None,
            github=False,
            quiet=True,
            replace=False,
        )


def test_a_name_is_corrected_only_by_what_it_can_have_meant() -> None:
    assert "all are listed by" in name_problem("TW999")
    assert "TW310" in name_problem("TW310x")
    with pytest.raises(DataError, match=r"did you mean 'digits'[?] Give the path"):
        locate("digts", folder=None, data_root=None, names=["digits"])
    with pytest.raises(RecipeError, match=r"did you mean 'optimizer.lr'"):
        Recipe.of({"train": {"learning_rate": 1}})
