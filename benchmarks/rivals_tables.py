"""The two tables of benchmarks/rivals.py, from what was seen and what was timed."""

from __future__ import annotations

from typing import Any

Lines = list[dict[str, Any]]  # as rivals_visit.py and rivals_overhead.py print them
Said = dict[str, bool]  # of one run: each name that was given, and whether as a warning or worse


def names(lines: Lines) -> str:
    """Return the first table: of how many runs each says what, counting programs into which it could be put."""
    for line in lines:
        if audit := line["rivals"].get("torch_audit"):
            # Its TA2 rules are advice on the hardware, true of any small network; they are no alarms on training.
            said = {rule: loud for rule, loud in audit["said"].items() if not rule.startswith("TA2")}
            line["rivals"]["torch_audit without TA2"] = {**audit, "said": said}
    rivals = sorted(dict.fromkeys(name for line in lines for name in line["rivals"]), key=str.lower)
    by = {(line["variant"], line["name"]): line["rivals"] for line in lines}
    count = {variant: sum(line["variant"] == variant for line in lines) for variant in ("sick", "healthy")}
    rows = [
        f"One task, one seed; {count['sick']} sick programs, their fixed twins, {count['healthy']} healthy controls; "
        "an alarm is a warning or worse.",
        "| watcher | sick programs it fits | says anything | alarms | not on the twin | on twins | on controls |",
        "|---|---|---|---|---|---|---|",
    ]
    for rival in rivals:
        sick = [name for variant, name in by if variant == "sick" and _fits(by, "sick", name, rival)]
        alarms = {(v, name): _alarms(by, v, name, rival) for v, name in by if _fits(by, v, name, rival)}
        controls = [said for (variant, _), said in alarms.items() if variant == "healthy"]
        twins = [said for (variant, _), said in alarms.items() if variant == "fixed"]
        told = sum(bool(alarms["sick", name] - _alarms(by, "fixed", name, rival)) for name in sick)
        anything = sum(bool(by["sick", name][rival]["said"]) for name in sick)
        rows.append(
            f"| {rival} | {len(sick)} | {anything} | {sum(bool(alarms['sick', name]) for name in sick)} | {told} | "
            f"{sum(map(bool, twins))} of {len(twins)} | {sum(map(bool, controls))} of {len(controls)} |"
        )
    right = [line for line in lines if line["variant"] == "sick" and "right" in line]
    hits = sum(bool(set(line["right"]) & set(line["rivals"]["tw.watch()"]["said"])) for line in right)
    return "\n".join(
        [*rows, "", f"tw.watch() gives the declared kind, or one declared as right too: {hits} of {len(right)}."]
    )


def _fits(by: dict[tuple[str, str], dict[str, Any]], variant: str, name: str, rival: str) -> bool:
    return by[variant, name].get(rival, {}).get("applied", False)


def _alarms(by: dict[tuple[str, str], dict[str, Any]], variant: str, name: str, rival: str) -> set[str]:
    said: Said = by.get((variant, name), {}).get(rival, {}).get("said", {})
    return {what for what, loud in said.items() if loud}


def costs(networks: Lines, load: float) -> str:
    """Return the second table: process time over the plain loop's."""
    watchers = list(dict.fromkeys(name for line in networks for name in (*line["ratios"], *line["raised"])))
    head = " | ".join(f"{line['network']} ({line['ms']:.1f} ms a step)" for line in networks)
    rows = [
        f"Process time over the plain loop's, medians of interleaved runs on a busy machine (load {load:.1f}).",
        f"| watcher | {head} |",
        f"|---|{'---|' * len(networks)}",
    ]
    for name in watchers:
        cells = [f"{line['ratios'][name]:.2f}" if name in line["ratios"] else "raised" for line in networks]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    raised = {f"{name}: {why}" for line in networks for name, why in line["raised"].items()}
    return "\n".join([*rows, "", *sorted(raised)])
