"""What the shell is offered for an argument: codes, settings and their values, checks, simulations, data sets.

All of it comes from the catalogues, which are read only when the shell asks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, MutableMapping


def codes(incomplete: str) -> list[str]:
    """Return the codes and kinds of diagnoses that begin so, and `all`."""
    from trainwright.doctor.kinds import CATALOGUE

    kinds = CATALOGUE.values()
    upper = [code for code in CATALOGUE if code.startswith(incomplete.upper())]
    return upper + _begun(incomplete, [*(kind.kind for kind in kinds), "all"] if incomplete else ["all"])


def settings(incomplete: str) -> list[str]:
    """Return what `--set` may be given: sections, their keys, and the values of those that have names."""
    from trainwright.stages.sections import CATALOGUES, SECTIONS, known_keys

    name, equals, value = incomplete.partition("=")
    section, dot, _ = name.partition(".")
    if equals:
        return [f"{name}={known}" for known in _begun(value, _values(name))]
    if not dot:
        return _begun(section, [f"{known}." for known in SECTIONS])
    if section not in SECTIONS:
        return []
    keys = [*known_keys(section), *(["name"] if section in CATALOGUES else [])]
    return _begun(name, dict.fromkeys(f"{section}.{key}=" for key in keys))


def checks(incomplete: str) -> list[str]:
    """Return the checks of `verify` that begin so; of several, divided by commas, the last is completed."""
    from trainwright.checks.catalogue import CATALOGUE

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _begun(last, CATALOGUE)]


def simulations(incomplete: str) -> list[str]:
    """Return the simulations of the lab that begin so."""
    from trainwright.lab.registry import CATALOGUE

    return _begun(incomplete, CATALOGUE)


def networks(incomplete: str) -> list[str]:
    """Return the networks of the catalogue that begin so."""
    from trainwright.parts.models import CATALOGUE

    return _begun(incomplete, CATALOGUE)


def data_sets(incomplete: str) -> list[str]:
    """Return the embedded data sets that begin so, and the files and folders."""
    from trainwright.data.embedded import EMBEDDED

    return [*_begun(incomplete, EMBEDDED), *_paths(incomplete, "")]


def recipes(incomplete: str) -> list[str]:
    """Return the folders and the TOML files that begin so."""
    return list(_paths(incomplete, ".toml"))


def run_folders(incomplete: str) -> list[str]:
    """Return the folders that begin so."""
    return list(_paths(incomplete, "/"))


def answer_bash(environment: MutableMapping[str, str]) -> bool:
    """Make whole words of `--set loss.name=mse`, which bash has divided at the `=`; say whether all is answered.

    It is where the value is asked for: bash then wants what follows the `=`, and nothing before it.
    """
    if environment.get("_TRAINWRIGHT_COMPLETE") != "complete_bash":
        return False
    words, place = environment.get("COMP_WORDS", "").split(" "), int(environment.get("COMP_CWORD", "0"))
    joined: list[str] = []
    current = 0
    for number, word in enumerate(words):
        if joined and (word == "=" or joined[-1].endswith("=")) and number <= place:
            joined[-1] += word
        else:
            joined.append(word)
        current = len(joined) - 1 if number == place else current
    environment["COMP_WORDS"], environment["COMP_CWORD"] = " ".join(joined), str(current)
    asked = joined[current] if 0 < current < len(joined) else ""
    if joined[current - 1] != "--set" or "=" not in asked:
        return False
    print(*(text.partition("=")[2] for text in settings(asked)), sep="\n")
    return True


def _values(name: str) -> list[str]:
    from typing import get_args

    from trainwright.stages.sections import CATALOGUES, SECTIONS

    section, _, key = name.partition(".")
    if section in CATALOGUES and key == "name":
        return list(CATALOGUES[section].catalogue)
    if section in CATALOGUES:
        option = CATALOGUES[section].options("auto").get(key)
        if option is not None:
            return ["true", "false"] if isinstance(option.default, bool) else list(option.choices)
    field = SECTIONS[section].model_fields.get(key) if section in SECTIONS else None
    if field is None:
        return []
    words = [word for word in get_args(field.annotation) if isinstance(word, str)]
    return ["true", "false"] if field.annotation is bool else words


def _begun(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _paths(incomplete: str, ending: str) -> Iterator[str]:
    """Yield folders, with a slash, and the files that end so; hidden ones where they are asked for."""
    folder, last = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(last) or (entry.name.startswith(".") and not last):
            continue
        path = os.path.join(folder, entry.name)
        if entry.is_dir():
            yield f"{path}/"
        elif entry.name.endswith(ending):
            yield path
