"""Plain HTML tables that scroll on their own where the screen is narrow."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trainwright.records import Chart, CheckResult, RunInfo, to_plain
from trainwright.report.checks_text import check_phrase, check_sign
from trainwright.report.numbers import duration, number, percent
from trainwright.report.phrases import place_phrase
from trainwright.report.safe import markup, prose
from trainwright.report.summary import newest_layers, repairs_told
from trainwright.report.wrapping import clip

_MAX_VALUE = 300


def html_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    numeric: Collection[int] = (),
    dense: bool = False,
) -> str:
    """Return a table. All cells are text and get escaped; columns in `numeric` are aligned at the right.

    A `dense` one, of many columns, stands closer, and where the screen is narrow each row becomes a list of its cells
    under their headings, so that none is out of sight.
    """
    top = _row('th scope="col"', head, numeric)
    body = "".join(_row("td", row, numeric, head if dense else ()) for row in rows)
    # Words may wrap, numbers may not: a table of numbers scrolls instead.
    style = ' class="dense"' if dense else ' class="wraps"' if len(numeric) < len(head) / 2 else ""
    # Focusable, because a keyboard must be able to scroll it too.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{markup(caption)}"><table{style}>'
        f"<caption>{markup(caption)}</caption><thead>{top}</thead><tbody>{body}</tbody></table></div>"
    )


def layers_table(chart: Chart) -> str:
    """Return the newest statistics of every layer."""
    layers = newest_layers(chart)
    head = ["module", "kind", "units", "mean", "std", "zero", "dead", "gradient norm"]
    rows = [
        [
            prose(layer.module) or "(the model)",
            prose(layer.kind),
            number(layer.units),
            number(layer.mean),
            number(layer.std),
            percent(layer.zero_fraction),
            percent(layer.dead_fraction),
            "–" if layer.gradient_norm is None else number(layer.gradient_norm),
        ]
        for layer in layers
    ]
    steps = sorted({layer.step for layer in layers})
    when = f"step {number(steps[0])}" if len(steps) == 1 else f"steps {number(steps[0])} to {number(steps[-1])}"
    return html_table(head, rows, caption=f"Outputs of the layers at {when}", numeric=range(2, len(head)))


def repairs_table(chart: Chart) -> str:
    """Return what was done to put the run right, or would have been; "" where there was nothing to do."""
    rows = [[number(step), text] for step, text in repairs_told(chart)]
    caption = "What was done about numbers that were not finite, and a loss that grew"
    return html_table(["step", "what"], rows, caption=caption) if rows else ""


GIVEN = "the command or the call"
"""Where a setting was asked for that stands in no file."""


def settings_table(info: RunInfo) -> str:
    """Return every setting with its value and where it was set."""
    rows = [
        [
            prose(name),
            setting_text(setting.value),
            (place_phrase(setting.where) if setting.where else "") or (GIVEN if setting.given else "default"),
        ]
        for name, setting in info.settings.items()
    ]
    return html_table(["setting", "value", "set in"], rows, caption="Settings as they were resolved")


def checks_table(checks: Sequence[CheckResult]) -> str:
    """Return what was looked at: healthy, with findings, or not judged and why."""
    rows = [
        [
            prose(check.check),
            f"{check_sign(check.status)[0]} {check_phrase(check)}",
            duration(check.seconds) if check.seconds else "",
        ]
        for check in checks
    ]
    return html_table(["check", "result", "took"], rows, caption="What was looked at", numeric=(2,))


def facts_table(facts: Mapping[str, str]) -> str:
    """Return the facts of the environment."""
    rows = [[prose(name), prose(str(value))] for name, value in facts.items()]
    return html_table(["fact", "value"], rows, caption="Where the run was made")


def setting_text(value: Any) -> str:
    """Return a setting's value as one line."""
    if isinstance(value, float) and not isinstance(value, bool):
        return repr(value)
    if value is None:
        return "none"
    plain = value if isinstance(value, str) else json.dumps(to_plain(value), default=str, ensure_ascii=False)
    return clip(prose(plain), _MAX_VALUE)


def _row(tag: str, cells: Sequence[str], numeric: Collection[int], labels: Sequence[str] = ()) -> str:
    close = tag.partition(" ")[0]
    parts = []
    for column, cell in enumerate(cells):
        style = ' class="number"' if column in numeric else ""
        style += f' data-label="{markup(labels[column])}"' if labels and cell else ""
        parts.append(f"<{tag}{style}>{markup(cell)}</{close}>")
    return f"<tr>{''.join(parts)}</tr>"
