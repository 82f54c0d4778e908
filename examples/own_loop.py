"""The training loop in your own hands: copy it where `fit` is in the way; the doctor still watches every step."""

import torch
from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.load import load
from trainwright.doctor.diagnose import diagnose
from trainwright.parts import schedules
from trainwright.parts.groups import parameter_groups
from trainwright.parts.losses import cross_entropy
from trainwright.records import RunInfo
from trainwright.report.text import render_findings
from trainwright.training.clipping import Clip
from trainwright.training.evaluate import Evaluator
from trainwright.training.loop import Training
from trainwright.training.rates import Rates
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import Monitor

SEED, EPOCHS = 0, 20

digits = load("digits", seed=SEED)
assert digits.validation is not None  # load() holds 15 % out unless it is told otherwise
train = Batches(digits.train, batch_size=64, seed=SEED)
validation = Batches(digits.validation, batch_size=64, seed=SEED)
planned = EPOCHS * train.steps_per_epoch

torch.manual_seed(SEED)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.AdamW(parameter_groups(model, weight_decay=0.01, lr=1e-3), lr=1e-3)
schedule = schedules.CATALOGUE["warmup_cosine"].factory(warmup=0.05)
# The rate is a function of the step alone: there is nothing to step, or to forget.
rates = Rates(optimizer, schedule, planned_steps=planned)

step = TrainStep(model, cross_entropy, optimizer, rates=rates, clip=Clip(norm=1.0), seed=SEED)
monitor = Monitor(model, step.objective, reference=train.take(512)[0])
evaluate = Evaluator(model, cross_entropy, task="classification")
training = Training(model, train, step, epochs=EPOCHS, monitor=monitor)

for record in training.steps():
    done = record.step + 1
    if done % (4 * train.steps_per_epoch) == 0:  # your own code goes here: logging, saving, stopping by your own rule
        seen = evaluate(validation, split="validation", step=done, epoch=record.epoch + 1)
        training.history.append(seen)
        print(f"epoch {record.epoch + 1:>2}  loss {record.loss:.4f}  rate {record.rate:.1e}  ", end="")
        print(f"validation loss {seen.loss:.4f}  accuracy {seen.metrics['accuracy']:.3f}")

# What the doctor is not told, it does not judge: the more of RunInfo is filled in, the more rules speak.
info = RunInfo(name="own loop", task="classification", loss="cross_entropy", planned_steps=planned, metric="accuracy")
print(render_findings(diagnose(training.history.chart(info))))
