"""Writes docs/reference from the catalogues, so that no page can disagree with the code. `--check` only compares.

Its pictures are drawn from the numbers that docs/pictures.py keeps: nothing is trained here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import commands_page
import drawing
import errors_page
import lab_page
import severities
import ward_page
from trainwright import defaults
from trainwright.checks.catalogue import CATALOGUE as CHECKS
from trainwright.doctor.kind import Kind
from trainwright.doctor.kinds import CATALOGUE as KINDS
from trainwright.doctor.kinds import silencing
from trainwright.parts import augment, groups, initializers, losses, models, norms, optimizers, penalties, schedules
from trainwright.records import Option, Value
from trainwright.runs import loggers
from trainwright.stages.comments import COMMENTS
from trainwright.stages.recipe import Recipe

REFERENCE = Path(__file__).parent / "reference"
_FAMILIES = {
    "TW1": "Inputs and loading",
    "TW2": "Labels and targets",
    "TW3": "The loss",
    "TW4": "The network",
    "TW5": "Optimizer, gradients and updates",
    "TW6": "Learning rate, schedule and search",
    "TW7": "Training and evaluation mode",
    "TW8": "Numbers and precision",
    "TW90": "What was learnt",
    "TW91": "Several devices",
}


def pages() -> dict[str, str]:
    """Return every page of the reference, and every picture: its file name and its text."""
    made = {
        "losses.md": _losses(),
        "optimizers.md": _optimizers(),
        "schedules.md": _schedules(),
        "models.md": _models(),
        "initializers.md": _initializers(),
        "norms.md": _norms(),
        "augmentation.md": _augmentation(),
        "loggers.md": _loggers(),
        "defaults.md": _defaults(),
        "recipe.md": _recipe(),
        "checks.md": _checks(),
        "diagnoses.md": _diagnoses(),
        "lab.md": lab_page.page(),
        "commands.md": commands_page.page(),
        "errors.md": errors_page.page(),
    }
    told = ward_page.page()
    made |= {"ward.md": told} if told else {}
    known = drawing.read()
    made |= {f"{kind.code}.md": _diagnosis(kind, known.get(kind.code)) for kind in KINDS.values()}
    return made | {
        f"pictures/{code}.svg": drawing.svg(KINDS[code], picture)
        for code, picture in known.items()
        if code in KINDS and "none" not in picture
    }


def main() -> int:
    """Write the pages, or with `--check` say which differ from what the code gives."""
    wrong = []
    drawing.FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            wrong.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    there = [path for form in ("*.md", "pictures/*.svg") for path in REFERENCE.glob(form)]
    stale = sorted(name for path in there if (name := path.relative_to(REFERENCE).as_posix()) not in made)
    if "--check" not in sys.argv:
        for name in stale:
            (REFERENCE / name).unlink()
        print(f"wrote {len(wrong)} of {len(made)} pages and pictures, removed {len(stale)}")
        return 0
    if wrong or stale:
        print(f"out of date: {', '.join(wrong + stale)}; run make docs")
        return 1
    return 0


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _options(options: Mapping[str, Option]) -> str:
    rows = [
        (f"`{name}`", option.meaning, _value(option.default), _range(option), option.source)
        for name, option in options.items()
    ]
    return _table(("option", "meaning", "default", "range", "source"), rows) if rows else "It takes no options.\n"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:g}" if isinstance(value, int | float) else ", ".join(f"{item:g}" for item in value) or "none"


def _range(option: Option) -> str:
    words = ", ".join(option.choices)
    if isinstance(option.default, str):
        return words
    if isinstance(option.default, bool):
        return "yes or no"
    numbers = f"{'above ' if option.minimum_excluded else ''}{option.minimum:g} to {option.maximum:g}"
    listed = f"a list of numbers, each {numbers}" if isinstance(option.default, tuple) else numbers
    return f"{listed}; or {words}" if words else listed


def _losses() -> str:
    parts = []
    for spec in losses.CATALOGUE.values():
        start = "depends on the targets"
        if spec.initial is not None:
            start = ", ".join(f"{spec.initial(outputs):.4g} for {outputs} outputs" for outputs in (2, 10))
        same = f"`{spec.torch_names[0]}`" if spec.torch_names else "torch has none"
        parts.append(
            f"## {spec.name}\n\n{spec.summary[0].upper()}{spec.summary[1:]}.\n\n`{spec.formula}`\n\n"
            f"For {', '.join(spec.tasks)}. Expects {spec.expects}, and targets as {spec.target}. In torch: {same}. "
            f"Source: {spec.reference}.\n\nIts value for an untrained network: {start}; the least it can be: "
            f"{spec.floor(2):g}.\n\n{_options(spec.options)}"
        )
    common = f"## Penalties, beside any loss\n\n{_options(penalties.PENALTIES)}"
    return "# Losses\n\n" + "\n".join([*parts, common])


def _optimizers() -> str:
    parts = [
        f"## {spec.name}\n\n{spec.summary[0].upper()}{spec.summary[1:]}.\n\n`{spec.formula}`\n\n"
        f"In torch: {_code(spec.torch_class)}. Best for: {spec.best_for}. Source: {spec.reference}.\n\n"
        f"{_options(spec.options)}"
        for spec in optimizers.CATALOGUE.values()
    ]
    common = f"## Beside any optimizer\n\n{_options(groups.OPTIONS)}"
    return "# Optimizers\n\n" + "\n".join([*parts, common])


def _code(name: str) -> str:
    return f"`{name}`" if name else "none"


def _schedules() -> str:
    parts = []
    for spec in schedules.CATALOGUE.values():
        curve = spec.factory(**{name: option.default for name, option in spec.options.items()})
        values = _table(
            ("fraction of the run", "0", "0.05", "0.25", "0.5", "0.75", "1"),
            [("share of the rate", *(f"{curve(place):.3g}" for place in (0, 0.05, 0.25, 0.5, 0.75, 1)))],
        )
        parts.append(
            f"## {spec.name}\n\n{spec.summary[0].upper()}{spec.summary[1:]}. Source: {spec.reference}.\n\n"
            f"`{spec.formula}`\n\n{values}\n{_options(spec.options)}"
        )
    return "# Schedules\n\n" + "\n".join(parts)


def _models() -> str:
    parts = [
        f"## {spec.name}\n\n{spec.summary[0].upper()}{spec.summary[1:]}. Source: {spec.reference}.\n\n"
        f"{_options(spec.options)}"
        for spec in models.CATALOGUE.values()
    ]
    common = f"## Every built-in network\n\n{_options(models.OPTIONS)}"
    return "# Models\n\n" + "\n".join([*parts, common])


def _initializers() -> str:
    rows = [
        (f"`{spec.name}`", spec.summary, f"`{spec.formula}`", spec.best_for, spec.reference)
        for spec in initializers.CATALOGUE.values()
    ]
    return f"# Initializers\n\n{_table(('initializer', 'what', 'formula', 'best for', 'source'), rows)}"


def _norms() -> str:
    rows = [
        (f"`{spec.name}`", spec.summary, f"`{spec.formula}`", spec.best_for, spec.reference)
        for spec in norms.CATALOGUE.values()
    ]
    return f"# Normalisation\n\n{_table(('norm', 'what', 'formula', 'best for', 'source'), rows)}"


def _augmentation() -> str:
    rows = [
        (
            f"`{spec.name}`",
            spec.summary,
            f"`{spec.formula}`",
            spec.strength.meaning,
            _range(spec.strength),
            "images" if spec.images else "any numbers",
            spec.reference,
        )
        for spec in augment.CATALOGUE.values()
    ]
    header = ("change", "what", "formula", "its strength", "range", "for", "source")
    return f"# Augmentation\n\n{_table(header, rows)}"


def _loggers() -> str:
    rows = [
        (f"`{spec.name}`", spec.summary, f"`pip install trainwright[{spec.extra}]`")
        for spec in loggers.CATALOGUE.values()
    ]
    return f"# Loggers\n\n{_table(('logger', 'what', 'needs'), rows)}"


def _defaults() -> str:
    rows = [
        (f"{number.value:g}", number.meaning, number.source, number.disagreement) for number in defaults.ALL.values()
    ]
    return (
        f"# Recommended numbers\n\n{defaults.__doc__}\n{_table(('value', 'meaning', 'source', 'disagreement'), rows)}"
    )


def _recipe() -> str:
    rows = [
        (f"`{name}`", f"`{setting.value!r}`", COMMENTS.get(name, "")) for name, setting in Recipe().settings().items()
    ]
    note = "The options of a model, an optimizer or a schedule stand beside its `name`; see their own pages.\n"
    return f"# The recipe\n\n{_table(('key', 'default', 'meaning'), rows)}\n{note}"


def _checks() -> str:
    rows = [
        (
            f"`{check.name}`",
            check.question,
            "yes" if check.quick else "no",
            ", ".join(f"[{kind.code}]({kind.code}.md)" for kind in check.kinds),
        )
        for check in CHECKS.values()
    ]
    note = "`train` runs the quick ones by itself (`train.verify`), `trainwright verify` all of them.\n"
    return f"# Checks before training\n\n{_table(('check', 'what it asks', 'quick', 'what it can find'), rows)}\n{note}"


def _diagnoses() -> str:
    parts = [
        f"# Diagnoses\n\n{len(KINDS)} kinds, by what they are about. The severity is the usual one; in brackets stand"
        " those that the evidence may make of it.\n"
    ]
    for family, what in _FAMILIES.items():
        of_family = sorted(
            (kind for kind in KINDS.values() if kind.code.startswith(family)), key=lambda kind: kind.code
        )
        rows = [
            (f"[{kind.code}]({kind.code}.md)", kind.title, severities.short(kind), f"`{kind.kind}`")
            for kind in of_family
        ]
        parts.append(f"## {what}\n\n{_table(('code', 'title', 'severity', 'kind'), rows)}")
    assert sum(part.count("](TW") for part in parts) == len(KINDS), "a kind is of no family"
    return "\n".join(parts)


def _diagnosis(kind: Kind, picture: drawing.Picture | None) -> str:
    silenced = ", ".join(f"`{name}`" for name in kind.causes) or "none"
    ways = "\n\n".join(f"{what[0].upper()}{what[1:]}:\n\n{_indented(text)}" for what, text in silencing(kind))
    return (
        f"# {kind.code}: {kind.title}\n\n`{kind.kind}`: {severities.told(kind)}.\n\n{kind.what}\n\n"
        f"## Why it hurts\n\n{kind.hurts}\n\n{drawing.section(kind, picture)}## How to fix it\n\n{kind.fix}\n\n"
        f"## When the doctor is wrong\n\n{kind.wrong_when}\n\nSymptoms that it explains: {silenced}.\n\n"
        f"## How to silence it\n\n{ways}\n"
    )


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


if __name__ == "__main__":
    sys.exit(main())
