"""The verb export: the network of a run or of a finished model, with its card, in a form that others can load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from trainwright import __version__
from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import RunError, UsageError
from trainwright.parts import losses
from trainwright.records import to_plain
from trainwright.runs.durable import check_unused, whole
from trainwright.runs.layout import is_finished, is_run
from trainwright.serving import card as cards
from trainwright.serving import onnx_file, program
from trainwright.serving.comparing import TOLERANCE, deviation
from trainwright.stages.finish_report import read_report
from trainwright.stages.finished import Plan, load_finished, read_plan, shared
from trainwright.stages.kept import Kept, read_kept
from trainwright.stages.load import WEIGHTS, of_run


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written: the folder, and the card in it as plain values."""

    folder: Path
    card: Mapping[str, Any]


def export(run: str | Path, form: str, output: str | Path | None = None, *, overwrite: bool = False) -> Export:
    """Write the network of the run or of the finished model in folder `run` as "safetensors", "onnx" or "torch".

    Its card lies beside it. The members of a finished model are one network, their average.

    `output` is the folder to make, else the run's name and the form beside the run. What was written is loaded again
    and compared with the network before it is put in place; what cannot be written leaves nothing. Raises `RunError`
    where the run cannot be read, the folder exists (unless `overwrite`), or the other form computes something else;
    `ModelError` where the network cannot be brought into the form; `UsageError` where a package is missing.
    """
    if form not in cards.FORMATS:
        raise UsageError(f"there is no form '{form}'", remedy=f"known: {', '.join(cards.FORMATS)}")
    folder = Path(run)
    named = folder if folder.name not in ("", "..") else folder.resolve()
    target = Path(output) if output is not None else named.with_name(f"{named.name}-{form}")
    _check_target(target, overwrite)
    if form == "onnx":
        onnx_file.check_installed()
    if is_finished(folder):
        plan = read_plan(folder)
        network, preprocessing = load_finished(folder, plan), Preprocessing.of(plan.preprocessing)
        _check_traceable(form, preprocessing, folder)
        describe = lambda place, check: _card_of_finished(folder, plan, target.name, form, place, check)  # noqa: E731
    else:
        kept = read_kept(folder)
        network, preprocessing = of_run(kept).model, kept.preprocessing
        describe = lambda place, check: _card(kept, target.name, form, place, check)  # noqa: E731
    with whole(target, overwrite=overwrite) as place:
        place.mkdir()
        check = _FORMS[form](network, preprocessing, place)
        card = describe(place, check)
        (place / cards.JSON).write_text(json.dumps(card, indent=1, allow_nan=False), encoding="utf-8")
        (place / cards.TEXT).write_text(cards.card_text(card), encoding="utf-8")
        for file in place.iterdir():  # safetensors writes for its owner alone
            file.chmod((place / cards.TEXT).stat().st_mode)
    return Export(folder=target, card=card)


def _check_target(target: Path, overwrite: bool) -> None:
    check_unused(target, overwrite=overwrite)
    ours = not target.exists() or (target / cards.JSON).is_file() or (target.is_dir() and not any(target.iterdir()))
    if is_run(target) or not ours:
        raise RunError(
            f"{target} is no earlier export, and is not overwritten",
            evidence="it holds a run" if is_run(target) else f"it holds no {cards.JSON}",
            remedy="choose another --output",
        )


def _card(kept: Kept, name: str, form: str, place: Path, check: Mapping[str, Any]) -> dict[str, Any]:
    spec = losses.CATALOGUE.get(kept.recipe.loss.name)
    return cards.make_card(
        name=name,
        form=form,
        folder=place,
        info=kept.info,
        facts=kept.facts,
        recipe=kept.recipe.plain(),
        preprocessing=kept.preprocessing,
        expects=spec.expects if spec is not None else "logits",
        outcome=kept.outcome,
        findings=kept.findings,
        versions={"trainwright": __version__, "torch": torch.__version__, "trained_with": dict(kept.versions)},
        check=check,
    )


def _card_of_finished(
    folder: Path, plan: Plan, name: str, form: str, place: Path, check: Mapping[str, Any]
) -> dict[str, Any]:
    info, findings = read_report(folder)
    row = info.gains.row(info.gains.chosen)
    scores = {"validation": row.compared if plan.temperature is not None else row.scores}
    if row.test is not None:
        scores["test"] = row.test_scaled if plan.temperature is not None and row.test_scaled is not None else row.test
    first = plan.members[0].recipe
    return cards.make_card(
        name=name,
        form=form,
        folder=place,
        info=replace(plan.info, parameters=plan.info.parameters * len(plan.members)),
        facts=plan.facts,
        recipe=first,
        preprocessing=Preprocessing.of(plan.preprocessing),
        expects=plan.form.expects,
        outcome=None,
        findings=findings,
        versions={"trainwright": __version__, "torch": torch.__version__, "trained_with": dict(plan.versions)},
        check=check,
        ensemble=shared(plan, cards.shared_recipe),
        metrics={
            split: {key: value for key, value in to_plain(one).items() if value is not None and key != "samples"}
            for split, one in scores.items()
        },
    )


def _check_traceable(form: str, preprocessing: Preprocessing, folder: Path) -> None:
    if form != "safetensors" and preprocessing.shape is None:
        raise UsageError(
            f"the members in {folder} were given in Python, and nobody knows the shape of their inputs",
            evidence=f"to write {form}, the network is run on inputs",
            remedy="trace it in Python: torch.export.export(tw.load(folder, model=make_net).model, (x,))",
        )


def _safetensors(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    # Tied weights share storage, which safetensors refuses: a copy of each is written.
    state = {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
    save_file(state, place / WEIGHTS)
    return {}


def _onnx(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    assert preprocessing.shape is not None  # or the network could not have been made again
    onnx_file.save(network, preprocessing.shape, place / onnx_file.NAME)
    return _agreement(deviation(network, onnx_file.load(place / onnx_file.NAME), preprocessing.shape, "ONNX"))


def _torch(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    assert preprocessing.shape is not None
    program.save(program.traced(network, preprocessing.shape), place / program.NAME)
    return _agreement(deviation(network, program.load(place / program.NAME), preprocessing.shape, "torch.export"))


_FORMS = {"safetensors": _safetensors, "onnx": _onnx, "torch": _torch}


def _agreement(found: float) -> dict[str, Any]:
    text = f"outputs deviate by {found:.2g} of the largest at most (allowed: {TOLERANCE:g})"
    return {"deviation": found, "tolerance": TOLERANCE, "text": text}
