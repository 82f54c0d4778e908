"""The catalogue of augmentations: one record for each change, with its one number, the strength."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.records import AugmentSpec, Option


def _strength(usual: Default, *, maximum: float, whole: bool = False) -> Option:
    return Option(
        default=0 if whole else 0.0,
        minimum=0.0,
        maximum=maximum,
        meaning=f"{usual.meaning}; 0 is off, {usual.value:g} a usual strength",
        source=usual.source,
    )


CATALOGUE: Mapping[str, AugmentSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            AugmentSpec(
                name="flip",
                summary="mirrors images left to right, where their class allows it: clothes, not digits",
                formula="x[h, w] <- x[h, W - 1 - w] with probability p",
                strength=_strength(defaults.FLIP, maximum=1.0),
                images=True,
                mixes=False,
                reference="G4: augmentation; Krizhevsky et al. 2012",
            ),
            AugmentSpec(
                name="rotate",
                summary="turns images about their centre",
                formula="angle ~ U(-r, r) degrees, bilinear",
                strength=_strength(defaults.ROTATE, maximum=180.0),
                images=True,
                mixes=False,
                reference="G4: augmentation; Simard et al. 2003",
            ),
            AugmentSpec(
                name="scale",
                summary="magnifies or shrinks images about their centre",
                formula="log zoom ~ U(-log(1 + s), log(1 + s)), bilinear",
                strength=_strength(defaults.SCALE, maximum=3.0),
                images=True,
                mixes=False,
                reference="G4: augmentation",
            ),
            AugmentSpec(
                name="shift",
                summary="moves images by whole pixels, in both directions",
                formula="x[h, w] <- x[h - a, w - b], a and b ~ U{-s, ..., s}",
                strength=_strength(defaults.SHIFT, maximum=4096, whole=True),
                images=True,
                mixes=False,
                reference="G4: augmentation; He et al. 2016: a random crop after padding",
            ),
            AugmentSpec(
                name="brightness",
                summary="makes images brighter or darker",
                formula="x <- black + f (x - black), f ~ U(1 - s, 1 + s)",
                strength=_strength(defaults.BRIGHTNESS, maximum=1.0),
                images=True,
                mixes=False,
                reference="G4: augmentation",
            ),
            AugmentSpec(
                name="contrast",
                summary="strengthens or weakens the contrast of images",
                formula="x <- mean(x) + f (x - mean(x)), f ~ U(1 - s, 1 + s)",
                strength=_strength(defaults.CONTRAST, maximum=1.0),
                images=True,
                mixes=False,
                reference="G4: augmentation",
            ),
            AugmentSpec(
                name="noise",
                summary="adds normal noise to every input, as the network sees it: standardised",
                formula="x <- x + N(0, s^2)",
                strength=_strength(defaults.NOISE, maximum=100.0),
                images=False,
                mixes=False,
                reference="Bishop 1995",
            ),
            AugmentSpec(
                name="erase",
                summary="blacks out a rectangle of 2 to 33 % of the image",
                formula="x[rectangle] <- black with probability p",
                strength=_strength(defaults.ERASE, maximum=1.0),
                images=True,
                mixes=False,
                reference="Zhong et al. 2020: random erasing",
            ),
            AugmentSpec(
                name="mixup",
                summary="blends pairs of samples, and their targets in the same shares",
                formula="x <- l x + (1 - l) x', y <- l y + (1 - l) y', l ~ Beta(alpha, alpha)",
                strength=_strength(defaults.MIXUP, maximum=100.0),
                images=False,
                mixes=True,
                reference="G3: mixup/CutMix; Zhang et al. 2018",
            ),
            AugmentSpec(
                name="cutmix",
                summary="pastes a rectangle of another image, whose class counts by the area",
                formula="y <- k y + (1 - k) y', k the share of its own pixels left, 1 - side^2 ~ Beta(alpha, alpha)",
                strength=_strength(defaults.CUTMIX, maximum=100.0),
                images=True,
                mixes=True,
                reference="G3: mixup/CutMix; Yun et al. 2019",
            ),
        )
    }
)
