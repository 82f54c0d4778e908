"""The card of an exported network: where it comes from, how to feed it, what it reached, and what it cannot do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from trainwright.data.preprocessing import Preprocessing, TablePlan, TextPlan
from trainwright.data.scaling import ArrayPlan
from trainwright.errors import RunError
from trainwright.records import Finding, Outcome, RunInfo, Task, to_plain
from trainwright.records.specs import Expects
from trainwright.report.safe import prose, visible
from trainwright.runs.durable import sha256_of
from trainwright.runs.small import read_json

JSON, TEXT = "card.json", "card.md"
SCHEMA = 1
FORMATS = ("safetensors", "onnx", "torch")
_COUNTING = ("model", "preprocessing", "recipe", "ensemble")  # parts that predictions depend on, as far as there are
_PATHS = ("source", "test_source")  # of the section data: where its files lay, which is nobody else's business


def shared_recipe(recipe: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return a recipe's sections without the places of files on the machine that trained it: their names stay."""
    sections = {name: dict(keys) for name, keys in recipe.items()}
    data, model = sections.get("data", {}), sections.get("model", {})
    for key in _PATHS:
        if data.get(key):
            data[key] = PurePath(str(data[key])).name
    model.pop("folder", None)
    return sections


def output_meaning(task: Task, expects: Expects, preprocessing: Preprocessing) -> str:
    """Return in a sentence what the network's own outputs are."""
    count = len(preprocessing.classes)
    if task == "regression":
        return "values of the standardised targets: times std plus mean (of the target) gives the user's units"
    if task == "multi-label":
        return f"a logit for each of {count} labels; the sigmoid gives probabilities"
    if preprocessing.kind == "text":
        return f"logits (batch, {count} characters, length); the softmax over dimension 1 gives the next character's"
    if preprocessing.shape is not None and count == 2 and expects == "logits":
        return "logits: of one unit that of the second class (sigmoid), of two one each (softmax)"
    if expects == "log-probabilities":
        return f"log-probabilities of {count} classes; the exponential gives probabilities"
    return f"a logit for each of {count} classes; the softmax gives probabilities"


def input_meaning(preprocessing: Preprocessing) -> str:
    """Return in a sentence what the network takes."""
    plan = preprocessing.plan
    if isinstance(plan, TablePlan):
        return (
            f"float32 (batch, {sum(len(column.features) for column in plan.columns)}): the columns as "
            "preprocessing.columns says: numbers (value - mean) / std, filled where missing; categories as 0 and 1"
        )
    if isinstance(plan, TextPlan):
        return f"int64 (batch, length up to {plan.context}): places of characters in preprocessing.characters"
    if isinstance(plan, ArrayPlan):
        shape = ", ".join(map(str, plan.shape))
        what = "channel" if plan.pixels else "feature"
        return f"float32 (batch, {shape}): (value / scale - mean) / std, mean and std for each {what}"
    return "float32 (batch, ...): arrays as they are"


def limits(
    preprocessing: Preprocessing,
    outcome: Outcome | None,
    findings: Sequence[Finding],
    splits: Mapping[str, Any],
    ensemble: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return what whoever relies on the network should know, in sentences."""
    said: list[str] = []
    if ensemble is not None:
        names = ", ".join(f"{member['name']} ({member['share']:.3g})" for member in ensemble["members"])
        count, what = len(ensemble["members"]), ensemble["average"]
        one = f"It is the network of {ensemble['members'][0]['name']} alone: no ensemble gained beyond it."
        said.append(one if count == 1 else f"It averages the {what} of {count} networks, by shares: {names}.")
    elif outcome is None:
        said.append("The training never came to its end; these are its best weights until then.")
    elif outcome.status != "finished":
        said.append(f"The training ended early ({outcome.status}: {outcome.reason}); these are its best weights.")
    if "test" in splits:
        count = splits["test"].get("samples")
        said.append(f"The figures of the test split ({count:,} samples, used once) hold for data like the training's.")
    else:
        chosen = "validation" if "validation" in splits else "train"
        said.append(f"There was no test split: the figures of {chosen}, which chose these weights, are too good.")
    said += [
        f"The doctor said of the training: {finding.severity}[{finding.code}] {finding.title}."
        for finding in findings
        if finding.severity != "note"
    ]
    plan = preprocessing.plan
    if isinstance(plan, TablePlan) and any(column.kind == "category" for column in plan.columns):
        said.append("A category that training did not have counts as 'other' where there is such an input, else none.")
    if isinstance(plan, TablePlan):
        said.append("A missing number is filled with the training median; a missing column is refused.")
    if isinstance(plan, TextPlan):
        said.append(
            f"It sees {plan.context} characters at most, and refuses those that the training text did not have."
        )
    if isinstance(plan, ArrayPlan) and plan.pixels:
        size = (
            f"scaled and cropped to {plan.image_size} x {plan.image_size}" if plan.image_size else "taken as they are"
        )
        said.append(f"Images have {plan.shape[0]} channels, and are {size}; others are refused.")
    if ensemble is not None and ensemble["temperature"] is not None:
        said.append(f"The probabilities are after a temperature of {ensemble['temperature']:.4g}, from validation.")
    elif preprocessing.task != "regression" and (ensemble is None or ensemble["form"]["task"] != "regression"):
        said.append("The probabilities were not calibrated afterwards.")
    if ensemble is not None and ensemble["threshold"] is not None:
        threshold = ensemble["threshold"]
        said.append(
            f"The second class is decided for from probability {threshold['exact']:.4g} on: a false alarm costs "
            f"{threshold['costs'][0]:g}, a miss {threshold['costs'][1]:g}."
        )
    return said


def make_card(
    *,
    name: str,
    form: str,
    folder: Path,
    info: RunInfo,
    facts: Mapping[str, Any],
    recipe: Mapping[str, Mapping[str, Any]],
    preprocessing: Preprocessing,
    expects: Expects,
    outcome: Outcome | None,
    findings: Sequence[Finding],
    versions: Mapping[str, Any],
    check: Mapping[str, Any],
    ensemble: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the card as plain values. `folder` holds the exported files, whose hashes it keeps.

    `ensemble` says how the members of a finished model become one, and `metrics` what they came to.
    """
    data = dict(facts)
    told = limits(preprocessing, outcome, findings, data.get("splits", {}), ensemble)
    if form == "safetensors" and ":" in info.model:
        told.append(f"The network is made by '{info.model}', whose module must lie in the current folder to load it.")
    data.pop("preprocessing", None)
    task = info.task or preprocessing.task or "classification"
    shared = shared_recipe(recipe)
    card = {
        "schema": SCHEMA,
        "format": form,
        "name": name,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(folder.iterdir())
        },
        "versions": dict(versions),
        "model": {
            "name": info.model,
            "parameters": info.parameters,
            "task": task,
            "loss": info.loss,
            "input": input_meaning(preprocessing),
            "output": output_meaning(task, expects, preprocessing),
        },
        "data": {"source": shared.get("data", {}).get("source"), **data},
        "preprocessing": preprocessing.plain(),
        "recipe": shared,
        "outcome": outcome,
        "metrics": metrics if metrics is not None else outcome.best if outcome else {},
        "findings": [_without_folder(finding) for finding in findings],
        "limits": told,
        "check": dict(check),
        **({} if ensemble is None else {"ensemble": dict(ensemble)}),
    }
    plain = to_plain(card, strict=True)
    return plain | {"digest": _digest(plain)}


def _digest(card: Mapping[str, Any]) -> str:
    """Return the SHA-256 over what predictions depend on: a mean of which a digit has changed must not go unseen."""
    text = json.dumps([card[part] for part in _COUNTING if part in card], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _without_folder(finding: Finding) -> Finding:
    file = finding.where.file
    return finding if file is None else replace(finding, where=replace(finding.where, file=PurePath(file).name))


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card in `folder`, and check every file that it names. Raises `RunError` where anything is damaged."""
    try:
        card = read_json(folder / JSON)
        schema, form, files = card["schema"], card["format"], card["files"]
        if not isinstance(schema, int) or form not in FORMATS or not isinstance(files, dict):
            raise ValueError(f"schema {schema!r}, format {form!r}")
        hashes = {PurePath(name).name: entry["sha256"] for name, entry in files.items()}
        for part in ("model", "data", "preprocessing", "recipe"):
            if not isinstance(card[part], dict):
                raise TypeError(f"'{part}' is no object")
        if schema <= SCHEMA and card["digest"] != _digest(card):
            raise ValueError(f"{', '.join(_COUNTING)} do not have the SHA-256 that the card states")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RunError(
            f"the card in {folder} is damaged",
            evidence=f"{JSON}: {type(problem).__name__}: {problem}",
            remedy="export the run again",
        ) from None
    if schema > SCHEMA:
        raise RunError(
            f"the export in {folder} was written by a newer trainwright",
            evidence=f"its schema is {schema}, this version reads up to {SCHEMA}",
            remedy="update trainwright",
        )
    for name, wanted in hashes.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != wanted:
            raise RunError(
                f"the export in {folder} is damaged",
                evidence=f"{name} does not have the SHA-256 that the card states" if path.is_file() else f"no {name}",
                remedy="copy it again, or export the run again",
            )
    return card


def card_text(card: Mapping[str, Any]) -> str:
    """Return the card for people, as Markdown."""
    model, data, outcome = card["model"], card["data"], card["outcome"]
    lines = [
        f"# {_plain(card['name'])}",
        "",
        f"A {_plain(model['name'])} of {model['parameters']:,} parameters for {model['task']}, trained with "
        f"trainwright {card['versions'].get('trainwright', '?')} and kept as {card['format']}.",
        "",
        "## What it takes and gives",
        "",
        f"- input: {_plain(model['input'])}",
        f"- output: {_plain(model['output'])}",
        *([f"- classes: {_plain(', '.join(map(str, data['classes'])))}"] if data.get("classes") else []),
        "",
        "`trainwright predict FOLDER DATA` prepares raw data as in training, by `card.json`, and reads the outputs.",
        "",
        "## Data",
        "",
        f"- source: {_plain(data.get('source') or 'given in Python')}",
        f"- fingerprint (SHA-256): {data.get('fingerprint', 'not known')}",
        *(f"- {split}: {facts.get('samples', '?'):,} samples" for split, facts in data.get("splits", {}).items()),
        *(f"- {_plain(note)}" for note in data.get("notes", [])),
        "",
        "## What it reached",
        "",
    ]
    metrics = card["metrics"]
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    if metrics:
        lines += [f"| split | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        lines += [
            f"| {split} | {' | '.join(_figure(values.get(name)) for name in names)} |"
            for split, values in metrics.items()
        ]
    else:
        lines.append("Nothing was measured.")
    if outcome:
        lines += ["", f"The training ended as: {_plain(outcome['status'])}, after {outcome['steps']:,} steps."]
    lines += ["", "## Limits", "", *(f"- {_plain(limit)}" for limit in card["limits"])]
    lines += ["", "## Findings of the doctor", ""]
    findings = card["findings"]
    lines += [f"- {each['severity']}[{each['code']}]: {_plain(each['title'])}" for each in findings] or ["None."]
    lines += ["", "## Files", ""]
    lines += [f"- {name}: {facts['bytes']:,} bytes, SHA-256 {facts['sha256']}" for name, facts in card["files"].items()]
    if card["check"]:
        check = card["check"]
        lines += ["", f"Compared with the network in torch: {_plain(check['text'])}."]
    lines += ["", "The recipe, the preparation of the data and everything above are in `card.json`."]
    return "\n".join(lines) + "\n"


def _plain(text: Any) -> str:
    """Return foreign text as one harmless line of Markdown."""
    return prose(visible(str(text))).replace("<", "&lt;").replace("|", "\\|")


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "" if value is None else str(value)
