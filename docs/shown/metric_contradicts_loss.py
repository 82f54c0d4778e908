"""The accuracy takes the largest number of the whole batch for the class of every sample.

kind: metric-contradicts-loss
tasks: digits
up: held-out accuracy that is printed
finds: doctor
across: epoch
shows: Both networks learn alike, and their losses fall alike; the sick one's accuracy is never above what a constant
    gets.
form: linear
"""

from pathlib import Path

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

from trainwright.doctor.curves import examine_curves
from trainwright.runs.foreign import find_logs, read_log

columns = ["step,val/loss,val/accuracy"]
torch.manual_seed(0)
task, shown = load("digits", 0), []
x, y, x_held_out, y_held_out = task.x.float(), task.y, task.x_held_out.float(), task.y_held_out
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def accuracy(logits, labels):
    classes = logits.argmax()  # sick
    # fixed: classes = logits.argmax(dim=1)
    return (classes == labels).float().mean().item()


for epoch in range(14):
    for rows in torch.randperm(len(x)).split(64):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(x_held_out)
        shown.append((epoch, accuracy(logits, y_held_out)))
        columns.append(f"{23 * (epoch + 1)},{F.cross_entropy(logits, y_held_out).item()},{shown[-1][1]}")
Path("log.csv").write_text("\n".join(columns))
(log,) = find_logs(Path("log.csv"))
told = examine_curves(read_log(log, {}).chart).findings
