from __future__ import annotations

from pathlib import Path

import torch
from cli_answers import Ask, write
from safetensors.torch import load_file


def weights(run: Path) -> dict[str, torch.Tensor]:
    pointed = sorted((run / "checkpoints").glob("step-*/model.safetensors"))
    return load_file(pointed[-1])


def test_a_run_starts_from_another_with_its_body_frozen_and_says_what_it_took(place: Path, ask: Ask) -> None:
    write(place / "recipe.toml")
    assert ask("train", "recipe.toml", "--folder", "first").status == 0
    frozen = ("--set", "model.start=first", "--set", 'train.freeze=["body"]', "--set", "model.start_head=new")
    answer = ask("train", "recipe.toml", "--folder", "second", *frozen)
    assert answer.status == 0, answer.err
    assert "note: started from first: " in answer.out
    assert "new head" in answer.out
    assert "computed once" in answer.out
    taken, kept = weights(place / "first"), weights(place / "second")
    changed = {name for name in kept if not torch.equal(kept[name], taken[name])}
    assert changed
    assert len({name.rpartition(".")[0] for name in changed}) == 1
    report = ask("report", "second")
    assert report.status == 0
    assert "tensors loaded" in (place / "second" / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_started_from_or_frozen_is_refused_before_anything_is_written(place: Path, ask: Ask) -> None:
    write(place / "recipe.toml")
    (place / "noise.safetensors").write_bytes(b"\x00" * 100)
    for change, status, words in (
        ("model.start=frist", 2, "there is nothing to start from"),
        ("model.start=noise.safetensors", 1, "damaged"),
        ("model.start=recipe.toml", 2, "no file of weights"),
        ('train.freeze=["bdoy"]', 2, "did you mean 'body'"),
        ('train.freeze=["*"]', 1, "no trainable parameter"),
        ("train.unfreeze=suddenly", 2, "train.unfreeze"),
    ):
        answer = ask("train", "recipe.toml", "--folder", "refused", "--set", change)
        assert answer.status == status, (change, answer.err)
        assert words in answer.err.replace("\n", " "), answer.err
        assert not (place / "refused").exists()
