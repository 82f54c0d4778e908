from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_answers import (
    QUICK,
    SICK,
    SICK_LINE,
    Ask,
    assert_plain,
    assert_refused,
    process,
    strict_json,
    write,
    write_table,
)

from trainwright.stages.recipe import Recipe


def digest_of(ask: Ask, recipe: object, *more: object) -> str:
    answer = ask("train", recipe, "--json", "-", *more)
    assert answer.status == 0, answer.err
    digest = answer.document["digest"]
    assert len(digest) == 64
    return digest


def kept(ask: Ask, recipe: object, folder: str, *more: object) -> str:
    """Train into `folder` and return the digest that the folder tells."""
    digest = digest_of(ask, recipe, "--folder", folder, *more)
    assert ask("runs", "show", folder, "--json", "-").document["digest"] == digest
    return digest


# --- what a run leaves, and how it ends ---


def test_a_healthy_run_is_status_0_and_leaves_a_whole_folder(place: Path, ask: Ask) -> None:
    write(place / "recipe.toml")
    answer = process("train", "recipe.toml", cwd=place)
    assert answer.status == 0
    assert answer.err == ""
    assert_plain(answer.out)
    assert "kept in runs/recipe-001; see it with: trainwright report runs/recipe-001" in answer.out
    run = place / "runs" / "recipe-001"
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "events.jsonl",
        "metrics.jsonl",
        "recipe.toml",
        "run.json",
    ]
    head = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert (head["schema"], head["status"]) == (1, "finished")
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in steps if line["record"] == "step"] == [0, 1, 2, 3]
    events = [json.loads(line)["name"] for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert events[0] == "phase"
    assert "checkpoint" in events
    assert Recipe.read(run / "recipe.toml").train.epochs == 2

    # Another process, the same run, bit for bit; and the next folder.
    assert digest_of(ask, "recipe.toml") == head["digest"]
    assert (place / "runs" / "recipe-002").is_dir()


def test_a_diverging_run_is_status_3_and_blames_the_line_of_the_rate(place: Path, ask: Ask) -> None:
    write(place / "sick.toml", SICK)
    answer = ask("train", "sick.toml", "--folder", "run", "--json", "-")
    assert answer.status == 3
    assert "Traceback" not in answer.err
    assert f"--> sick.toml:{SICK_LINE}" in answer.err
    assert f"{SICK_LINE} | lr = 30.0" in answer.err
    found = answer.document["findings"][0]
    assert list(found) == [
        *("code", "kind", "severity", "title", "where", "step"),
        *("evidence", "because", "remedies", "confidence"),
    ]
    assert (found["code"], found["kind"], found["severity"]) == ("TW601", "learning-rate-too-high", "error")
    assert found["where"] == {"file": "sick.toml", "line": SICK_LINE, "module": None, "parameter": None}
    assert list(found["evidence"][0]) == ["name", "value", "threshold", "step", "unit"]
    assert 0 < found["confidence"] <= 1
    patch = next(remedy["change"] for remedy in found["remedies"] if remedy["change"])

    (place / "healed.toml").write_text(Recipe.read(place / "sick.toml").changed(patch).to_toml(given=True))
    healed = ask("train", "healed.toml", "--json", "-")
    assert healed.status == 0
    assert healed.document["findings"] == []
    assert healed.document["best"]["test"]["accuracy"] > answer.document["best"]["test"]["accuracy"] + 0.3


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        ('data.source = "digits"\nmodel = { name = "mlp" }\ntrain.epochs = 5\n\noptimizer.lr = 30.0\n', 5),
        ('[data]\nsource = """\\\n digits"""\n[optimizer]\n"lr" = 30 # """\n[model]\nname="mlp"\n[train]\nepochs=5', 5),
        ('train={epochs=5}\n[data]\nignore = [ # ]\n]\n[model]\nname="mlp"\n[optimizer]\nlr = 30', 8),
        ('train={epochs=5}\nmodel={name="mlp"}\noptimizer={weight_decay=0, lr=30}', 3),
    ],
)
def test_the_rate_is_blamed_wherever_the_recipe_holds_it(recipe: str, line: int, ask: Ask, place: Path) -> None:
    write(place / "odd.toml", recipe)
    blamed = ask("train", "odd.toml", "--json", "-").document["findings"][0]["where"]
    assert blamed == {"file": "odd.toml", "line": line, "module": None, "parameter": None}


def test_a_rate_from_the_command_line_is_not_blamed_on_the_line_it_replaced(ask: Ask, place: Path) -> None:
    write(place / "sick.toml", SICK.replace("30.0", "0.001").replace('name = "adamw"\n', ""))
    answer = ask("train", "sick.toml", "--set", "optimizer.lr=30.0", "--json", "-")
    assert answer.status == 3
    found = answer.document["findings"][0]
    assert found["code"] == "TW601"
    assert found["where"]["line"] is None


def test_a_recipe_from_windows_trains(ask: Ask, place: Path) -> None:
    write(place / "recipe.toml", b"\xef\xbb\xbf" + QUICK.replace("\n", "\r\n").encode())
    assert ask("train", "recipe.toml").status == 0
    mistaken = ask("train", write(place / "mistaken.toml", b"\xef\xbb\xbf[data]\r\nsuorce = 'iris'\r\n"))
    assert_refused(mistaken, 2, "mistaken.toml:2: [data] has no key 'suorce'", place=place / "nowhere")


def test_explain_groups_says_which_parameters_decay(ask: Ask, place: Path) -> None:
    answer = ask("train", write(place / "recipe.toml"), "--explain-groups")
    assert answer.status == 0
    assert "2.weight" in answer.out
    assert "2.bias" in answer.out


# --- the same run again ---


def test_the_seed_and_nothing_that_only_watches_decides_the_weights(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml", QUICK.replace("epochs = 2", "epochs = 4"))
    digest = digest_of(ask, recipe)
    assert digest_of(ask, recipe) == digest
    for watching in ("train.evaluate_every_steps=1", "train.evaluate_every_steps=3", "doctor.level=off"):
        assert digest_of(ask, recipe, "--set", watching) == digest
    assert digest_of(ask, recipe, "--set", "doctor.level=full") == digest
    for other in ("train.seed=1", "optimizer.lr=0.001", "train.batch_size=32", "data.validation=0.3"):
        assert digest_of(ask, recipe, "--set", other) != digest


def test_a_setting_from_the_command_line_wins_over_the_recipe(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml", QUICK + "seed = 3\n\n[optimizer]\nlr = 0.001\n")
    changed = write(place / "changed.toml", QUICK + "seed = 4\n\n[optimizer]\nlr = 0.01\n")
    settings = ("--set", "train.seed=9", "--set", "train.seed = 4", "--set", " optimizer.lr = 1e-2 ")
    assert digest_of(ask, recipe, *settings, "--folder", "run") == digest_of(ask, changed)
    assert Recipe.read(place / "run" / "recipe.toml").optimizer.options["lr"] == 0.01


def test_words_for_a_setting_need_no_quotes(ask: Ask, place: Path) -> None:
    write_table(place / "my trees.csv")
    recipe = write(place / "recipe.toml")
    settings = ("data.source=my trees.csv", "data.target=kind", 'data.ignore=["width"]', "schedule.name=constant")
    answer = ask("train", recipe, *(part for setting in settings for part in ("--set", setting)), "--folder", "run")
    assert answer.status == 0
    again = Recipe.read(place / "run" / "recipe.toml")
    assert (again.data.target, again.data.ignore, again.schedule.name) == ("kind", ["width"], "constant")


def test_the_kept_recipe_of_a_built_in_set_makes_the_same_run(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml", '[data]\nsource = "digits"\n\n[train]\nepochs = 1\nseed = 5\n')
    digest = kept(ask, recipe, "run")
    assert kept(ask, "run/recipe.toml", "again") == digest
    first, second = ((place / folder / "recipe.toml").read_text() for folder in ("run", "again"))
    assert first == second
    assert '"auto"' not in first.replace('init = "auto"', "")  # the network's own initialisation, by its name


def test_the_kept_recipe_of_a_relative_file_runs_from_anywhere(
    ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(place / "project" / "data" / "bäume #1.csv")
    write(
        place / "project" / "recipe.toml", '[data]\nsource = "data/bäume #1.csv"\ntarget = "kind"\n[train]\nepochs=2\n'
    )
    digest = kept(ask, "project/recipe.toml", "run")
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert kept(ask, "../run/recipe.toml", "again") == digest
    assert kept(ask, "../project/recipe.toml", "original") == digest
    shutil.move(place / "run", elsewhere / "moved")
    assert kept(ask, "moved/recipe.toml", "thrice") == digest


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_kept_recipe_of_a_file_below_the_data_root_runs_without_it(
    way: str, ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(place / "root" / "trees.csv")
    write_table(place / "root" / "more.csv", rows=20)
    text = '[data]\nsource = "trees.csv"\ntest_source = "more.csv"\ntarget = "kind"\n[train]\nepochs = 2\n'
    recipe = write(place / "recipe.toml", text)
    if way == "environment":
        monkeypatch.setenv("TRAINWRIGHT_DATA", str(place / "root"))
        digest = kept(ask, recipe, "run")
        monkeypatch.delenv("TRAINWRIGHT_DATA")
    else:
        digest = kept(ask, recipe, "run", "--data-root", place / "root")
    assert ask("train", recipe).status == 1
    assert kept(ask, "run/recipe.toml", "again") == digest
    assert Recipe.read(place / "run" / "recipe.toml").data.test_source == str(place / "root" / "more.csv")


def test_the_kept_recipe_holds_hostile_names(ask: Ask, place: Path) -> None:
    target = 'ki"nd\\ # 😀 = [x]\u202e'
    write_table(place / 'tr"ees\n# 😀.csv', target=target)
    recipe = Recipe.of(None, **{"data.source": 'tr"ees\n# 😀.csv', "data.target": target, "train.epochs": 1})
    digest = kept(ask, write(place / "recipe.toml", recipe.to_toml()), "run")
    assert kept(ask, "run/recipe.toml", "again") == digest


# --- for programs ---


def test_the_json_of_a_run_stands_alone_on_standard_output(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml")
    answer = ask("train", recipe, "--folder", "run", "--json", "-")
    document = answer.document
    assert document["schema"] == 1
    assert document["findings"] == []
    assert document["outcome"]["status"] == "finished"
    assert document["folder"] == "run"
    assert list(document["best"]) == ["train", "validation", "test"]
    for values in document["best"].values():
        assert list(values) == ["loss", "accuracy"]
    assert "kept in run" in answer.err
    shown = ask("runs", "show", "run", "--json", "-").document
    assert {name: shown[name] for name in ("best", "digest", "outcome")} == {
        name: document[name] for name in ("best", "digest", "outcome")
    }


def test_the_json_of_a_regression_has_the_error_in_the_targets_units(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml", QUICK.replace("iris", "diabetes"))
    best = ask("train", recipe, "--json", "-").document["best"]
    assert list(best["test"]) == ["loss", "rmse"]
    assert 30 < best["test"]["rmse"] < 120


def test_the_json_of_a_run_that_is_not_finite_is_strict(ask: Ask, place: Path) -> None:
    recipe = write(
        place / "recipe.toml",
        '[data]\nsource = "diabetes"\nnormalise = "none"\n[model]\ndepth = 8\n[optimizer]\nname = "sgd"\nlr = 1e30\n'
        "[train]\nepochs = 5\nclip_norm = 0\n",
    )
    answer = ask("train", recipe, "--folder", "run", "--json", "answer.json")
    assert answer.status == 3
    document = strict_json((place / "answer.json").read_text(encoding="utf-8"))
    assert document["outcome"]["status"] == "diverged"
    assert ask("runs", "show", "run", "--json", "-").document["outcome"] == document["outcome"]
    assert ask("report", "run", "--json", "-").document["findings"] == document["findings"]


def test_a_column_may_be_called_by_a_number(ask: Ask, place: Path) -> None:
    rows = "".join(f"{row % 7},{'yes' if row % 2 else 'no'}\n" for row in range(60))
    (place / "years.csv").write_text("amount,2020\n" + rows)
    recipe = write(place / "recipe.toml", "[data]\nsource = 'years.csv'\n[train]\nepochs = 1\n")
    answer = ask("train", recipe, "--set", "data.target=2020", "--json", "-")
    assert answer.status == 0, answer.err
    assert "accuracy" in answer.document["best"]["test"]


def test_a_list_and_a_number_without_a_nought_are_read_from_the_command_line(ask: Ask, place: Path) -> None:
    rows = "\n".join(f"{n % 7},{n % 5},{n % 7 + 0.5},{n % 5 - 0.25}" for n in range(60))
    write(place / "two.csv", f"a,b,left,right\n{rows}\n")
    recipe = write(place / "recipe.toml", '[data]\nsource = "two.csv"\n\n[train]\nepochs = 2\nverify = "off"\n')
    changes = ("--set", 'data.target=["left", "right"]', "--set", "data.validation=.2")
    answer = ask("train", recipe, *changes, "--folder", "run")
    assert answer.status == 0, answer.out + answer.err
    kept = Recipe.read(place / "run" / "recipe.toml")
    assert kept.data.target == ["left", "right"]
    assert kept.data.validation == 0.2
