"""What each key of a recipe means, in a line: for the recipes that are written, and for the reference."""

from __future__ import annotations

from collections.abc import Mapping

from trainwright import defaults
from trainwright.parts import augment, losses, models, optimizers, schedules
from trainwright.runs import loggers

COMMENTS: Mapping[str, str] = {
    "data.source": "a built-in set; a table (CSV, Parquet), a text, an IDX or npz file; a folder of images",
    "data.target": "the column to predict, or a list of them",
    "data.task": "classification, multi-label or regression; 'auto' tells by the target",
    "data.normalise": "'standard': by the training split's statistics; 'none' feeds the numbers as they are",
    "data.validation": "share of the rows held out to choose the best model by",
    "data.test": "share held out to report by, looked at once; 0 for none",
    "data.test_source": "a file of its own for testing, in place of that share",
    "data.ignore": "columns to leave out",
    "data.context": "tokens of text that a prediction may look back on",
    "data.image_size": "side in pixels that the images of a folder are brought to; 0 leaves equal images as they are",
    "model.name": f"{', '.join(models.CATALOGUE)}, or your own 'package.module:factory'; 'auto' tells by the data",
    "model.folder": "where the module of your own factory lies; else beside the recipe",
    "loss.name": f"{', '.join(losses.CATALOGUE)}; 'auto' tells by the task",
    "loss.l1": "penalty: so many times the sum of |w| is added to the loss",
    "loss.l2": "penalty: half so many times the sum of w^2 is added to the loss",
    "optimizer.name": ", ".join(optimizers.CATALOGUE),
    "optimizer.weight_decay": "on weights alone, none on biases and normalisations",
    "optimizer.rates": "parts of the model and the multiple of the rate that they learn at, {'head' = 10.0}; 0 freezes",
    "optimizer.layer_decay": "each layer further from the output learns at so many times the rate of the next",
    "schedule.name": f"the rate over the run: {', '.join(schedules.CATALOGUE)}",
    "schedule.warmup": "share of the run in which the rate rises",
    **{f"augment.{name}": spec.strength.meaning for name, spec in augment.CATALOGUE.items()},
    "train.epochs": f"'auto' aims at {defaults.PLANNED_STEPS.value:g} steps",
    "train.steps": "updates of the whole run, in place of epochs; 0 counts by epochs",
    "train.batch_size": "samples in a batch; 'auto' tries what fits into memory by real steps",
    "train.accumulate": "batches to an update: the gradient is that of one batch so many times as large",
    "train.seed": "same seed, same run, bit for bit",
    "train.precision": "fp32; bf16 or fp16 compute the forward pass in half precision",
    "train.clip_norm": "largest norm of the gradient; 0 for none",
    "train.clip_value": "largest size of one entry of the gradient; 0 for none",
    "train.ema": "decay of the moving average of the weights that is evaluated and kept, such as 0.999; 0 for none",
    "train.sampler": "'shuffled': each sample once an epoch; 'balanced': every class equally often",
    "train.patience": "stop after so many evaluations without a better validation loss; 0 to train to the end",
    "train.evaluate_every_steps": "0 evaluates once an epoch",
    "train.compile": "torch.compile; what it did is printed",
    "train.checkpoint_activations": "compute activations twice instead of keeping them: less memory, more time",
    "train.device": "'auto' takes an accelerator where there is one",
    "train.threads": "CPU threads; the same run bit for bit needs the same number",
    "train.loggers": f"who else is told: {', '.join(loggers.CATALOGUE)}",
    "train.verify": "checks before the first step: 'quick' takes seconds, 'full' a minute, 'off' none",
    "doctor.level": "how closely the run is watched: off, light or full",
    "doctor.ignore": "codes or kinds of findings that are not to be told, such as ['TW103', 'dead-relu']",
    "tune.space": "what is searched: settings and their ranges, {'optimizer.lr' = {log_uniform = [1e-5, 1e-1]}}",
    "tune.trials": "configurations that are tried, over all rounds",
    "tune.rounds": "from coarse to fine: after each, every range zooms in, widens or stays, and says why",
    "tune.sampler": "grid, random, sobol (evenly spread), or tpe (a model of the scores)",
    "tune.prune": "stop what is behind at a ninth and at a third of the run",
    "tune.repeats": "seeds that each configuration is trained under; it counts as their median",
    "tune.final": "fresh seeds that the best is trained under at the end, beside the default; 0 for none",
    "tune.score": "what is compared on the validation split: loss, error (share of wrong answers) or rmse",
    "tune.seconds": "stop after so long; run it again to go on; 0 for no limit",
    "doctor.repair": "where a run diverges or a batch is not finite: 'apply' mends it, 'suggest' says how, or 'off'",
}
