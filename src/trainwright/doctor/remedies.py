"""Changes of the recipe that more than one rule proposes."""

from __future__ import annotations

from trainwright.records import Remedy, RunInfo


def change_rate(info: RunInfo, text: str, *, factor: float) -> Remedy:
    """Return the remedy that multiplies the learning rate by `factor`.

    Where the optimizer's recommended rate lies in that direction, and further, it is taken: it is more than a guess.
    Without a patch where the rate is not known.
    """
    rate, recommended = info.setting("optimizer.lr"), info.recommended_rate
    if not isinstance(rate, float | int):
        return Remedy(text=text)
    wanted = float(f"{rate * factor:.2g}")
    if recommended is not None and (recommended < wanted if factor < 1 else recommended > wanted):
        wanted = recommended
    return Remedy(text=text, change={"optimizer.lr": wanted})
