"""Writes docs/reference from the catalogues, so that no page can disagree with the code. `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright import defaults
from trainwright.doctor.kinds import CATALOGUE as KINDS
from trainwright.doctor.kinds import Kind
from trainwright.parts import losses, models, optimizers, schedules
from trainwright.records import Option
from trainwright.stages.new import COMMENTS
from trainwright.stages.recipe import Recipe

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Return every page of the reference: its file name and its text."""
    made = {
        "losses.md": _losses(),
        "optimizers.md": _optimizers(),
        "schedules.md": _schedules(),
        "models.md": _models(),
        "defaults.md": _defaults(),
        "recipe.md": _recipe(),
        "diagnoses.md": _diagnoses(),
    }
    return made | {f"{kind.code}.md": _diagnosis(kind) for kind in KINDS.values()}


def main() -> int:
    """Write the pages, or with `--check` say which differ from what the code gives."""
    wrong = []
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            wrong.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    stale = sorted(path.name for path in REFERENCE.glob("*.md") if path.name not in pages())
    if "--check" not in sys.argv:
        for name in stale:
            (REFERENCE / name).unlink()
        print(f"wrote {len(wrong)} of {len(pages())} pages, removed {len(stale)}")
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
        (
            f"`{name}`",
            option.meaning,
            f"{option.default:g}",
            f"{'above ' if option.minimum_excluded else ''}{option.minimum:g} to {option.maximum:g}",
            option.source,
        )
        for name, option in options.items()
    ]
    return _table(("option", "meaning", "default", "range", "source"), rows) if rows else "It takes no options.\n"


def _losses() -> str:
    header = ("loss", "for", "task", "expects", "formula", "floor", "torch", "source")
    rows = [
        (
            f"`{spec.name}`",
            spec.summary,
            ", ".join(spec.tasks),
            spec.expects,
            f"`{spec.formula}`",
            f"{spec.floor(2):g}",
            f"`{spec.torch_names[0]}`",
            spec.reference,
        )
        for spec in losses.CATALOGUE.values()
    ]
    return f"# Losses\n\n{_table(header, rows)}"


def _optimizers() -> str:
    parts = [
        f"## {spec.name}\n\n{spec.summary[0].upper()}{spec.summary[1:]}.\n\n`{spec.formula}`\n\n"
        f"torch's class: `{spec.torch_class}`. Best for: {spec.best_for}. Source: {spec.reference}.\n\n"
        f"{_options(spec.options)}"
        for spec in optimizers.CATALOGUE.values()
    ]
    return "# Optimizers\n\n" + "\n".join(parts)


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
    return "# Models\n\n" + "\n".join(parts)


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


def _diagnoses() -> str:
    rows = [(f"[{kind.code}]({kind.code}.md)", f"`{kind.kind}`", kind.severity, kind.title) for kind in KINDS.values()]
    return f"# Diagnoses\n\n{_table(('code', 'kind', 'severity', 'title'), rows)}"


def _diagnosis(kind: Kind) -> str:
    silenced = ", ".join(f"`{name}`" for name in kind.causes) or "none"
    return (
        f"# {kind.code}: {kind.title}\n\n`{kind.kind}`, {kind.severity}\n\n{kind.what}\n\n"
        f"## Why it hurts\n\n{kind.hurts}\n\n## How to fix it\n\n{kind.fix}\n\n"
        f"## When the doctor is wrong\n\n{kind.wrong_when}\n\nSymptoms that it explains: {silenced}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
