"""What surrounds a step: precision against hardware, accumulation against the epoch, clipping against the gradient."""

from __future__ import annotations

import torch

from trainwright.checks.check import Skip
from trainwright.checks.planned import is_adaptive
from trainwright.checks.stillness import still, weights
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_loop import ACCUMULATION_BEYOND_EPOCH, CLIPPING_DOMINATES, PRECISION_AGAINST_HARDWARE
from trainwright.records import Evidence, Finding, Remedy
from trainwright.tensors import global_norm

CLIPPED_TO = 0.05
"""Clipping that leaves less than this share of the first gradient cuts nearly every one."""


def precision(subject: Subject) -> Finding | None:
    """Find a number format that the device does not compute in."""
    found = next(iter(weights(subject.model)), None)
    if found is None:
        raise Skip("no parameter is trainable")
    half = subject.precision == "fp16" or found.dtype == torch.float16
    brain = subject.precision == "bf16" or found.dtype == torch.bfloat16
    device = found.device
    emulated = brain and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if not (half and device.type == "cpu") and not emulated:
        return None
    return PRECISION_AGAINST_HARDWARE.finding(
        where=subject.info.where("train.precision"),
        evidence=(
            Evidence(name="precision", value="float16" if half else "bfloat16"),
            Evidence(name="device", value=device.type),
        ),
        remedies=(
            Remedy(text="bfloat16 needs no loss scale and runs on every CPU; float32 is exact")
            if half
            else Remedy(text="float16 with a loss scale, or float32"),
        ),
    )


def accumulation(subject: Subject) -> Finding | None:
    """Find an update that needs more batches than an epoch has."""
    if subject.accumulate <= 1 or subject.train is None:
        raise Skip("gradients are not accumulated")
    batches = subject.train.steps_per_epoch
    if subject.accumulate <= batches:
        return None
    return ACCUMULATION_BEYOND_EPOCH.finding(
        where=subject.info.where("train.accumulate"),
        evidence=(
            Evidence(name="batches that make an update", value=subject.accumulate, threshold=batches),
            Evidence(name="batches of an epoch", value=batches),
        ),
        remedies=(Remedy(text=f"accumulate at most {batches}", change={"train.accumulate": batches}),),
    )


def clipping(subject: Subject) -> Finding | None:
    """Compare the clipping threshold with the norm of the first gradient."""
    if not subject.clip_norm:
        raise Skip("the gradient is not clipped")
    if subject.optimizer is not None and is_adaptive(subject.optimizer):
        return None  # whose steps do not depend on the gradient's length
    with still(subject.model), torch.enable_grad():
        loss = subject.value()
        if not loss.requires_grad:
            raise Skip("no gradient comes back from the loss")
        gradients = torch.autograd.grad(loss, weights(subject.model), allow_unused=True)
    norm = float(global_norm(gradient for gradient in gradients if gradient is not None))
    if norm == 0 or subject.clip_norm / norm >= CLIPPED_TO:
        return None
    return CLIPPING_DOMINATES.finding(
        where=subject.info.where("train.clip_norm"),
        evidence=(
            Evidence(name="norm of the first gradient", value=norm, threshold=subject.clip_norm / CLIPPED_TO),
            Evidence(name="what clipping leaves of it", value=subject.clip_norm / norm, threshold=CLIPPED_TO),
        ),
        remedies=(Remedy(text="raise the threshold, or scale inputs and targets; 1.0 is usual for a scaled loss"),),
    )
