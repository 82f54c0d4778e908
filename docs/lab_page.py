"""The page of the lab: every simulation with its parameters, presets and the sentences that it was held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainwright.lab.misconceptions import MISCONCEPTIONS
from trainwright.lab.registry import CATALOGUE
from trainwright.lab.schema import Parameter, Simulation

_HEAD = """# The simulations of the lab

`trainwright lab run NAME --set PARAMETER=VALUE` runs one without a page, `--json FILE` writes its curves. Every number
comes from this library and torch. Each sentence below is run as a test; where a guide's own was wrong, the correction
stands here and the original is quoted.
"""


def page() -> str:
    """Return the page."""
    rows = [f"| `{each.name}` | {each.title} | {each.guide} |" for each in CATALOGUE.values()]
    table = "\n".join(["| name | title | guides |", "|---|---|---|", *rows])
    beliefs = "\n".join(
        f"- *{each.belief}* {each.truth} `trainwright lab run {each.link.simulation}{_settings(each.link.values)}`"
        for each in MISCONCEPTIONS
    )
    told = "\n\n".join("\n".join(_told(each)) for each in CATALOGUE.values())
    return f"{_HEAD}\n{table}\n\n## Widely believed, and not so\n\n{beliefs}\n\n{told}\n"


def _told(simulation: Simulation) -> Iterator[str]:
    yield f"## {simulation.title}\n\n{simulation.teaches}\n"
    yield "| parameter | what | default | range |\n|---|---|---|---|"
    for parameter in simulation.parameters:
        what = parameter.label.replace("|", "\\|") + (f": {parameter.help}" if parameter.help else "")
        yield f"| `{parameter.name}` | {what} | {_word(parameter.default)} | {_range(parameter)} |"
    yield ""
    for claim in simulation.claims:
        quoted = f' Where it is written: "{claim.as_written}"' if claim.as_written else ""
        yield f"- {claim.text} ({claim.source}){quoted}"


def _range(parameter: Parameter) -> str:
    if parameter.kind == "choice":
        return ", ".join(f"`{value}`" for value, _ in parameter.choices)
    if parameter.kind == "switch":
        return "on or off"
    if parameter.kind == "text":
        return "a path"
    if parameter.kind == "seed":
        return "a whole number"
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter.low:g} to {parameter.high:g}{unit}{', on a log scale' if parameter.log else ''}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _settings(values: Mapping[str, object]) -> str:
    return "".join(f" --set {name}={value}" for name, value in values.items())
