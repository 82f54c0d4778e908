"""A helper clips the gradients before it steps the scaler, so the scaled gradients are clipped and hardly any is left.

kind: clip-before-unscale
tasks: counts, digits
source: Lightning#9330
"""

import sys

import torch
from tasks import load
from torch import nn

MAX_NORM = 1.0


def backward_and_step(loss, model, optimizer, scaler):
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    # fixed: scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)  # here
    scaler.step(optimizer)
    scaler.update()
    return norm


class Reader(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.gru = nn.GRU(inputs, 40, batch_first=True)
        self.out = nn.Linear(40, classes)

    def forward(self, x):
        _, last = self.gru(x)
        return self.out(last[0])


def as_steps(task, x):
    return nn.functional.one_hot(x, task.inputs).float() if task.kind == "sequences" else x.view(len(x), 8, 8)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = as_steps(task, task.x), as_steps(task, task.x_held_out)
model = Reader(x.shape[2], task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
for epoch in range(9):
    for rows in torch.randperm(len(x)).split(32):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x[rows])
        loss = nn.functional.cross_entropy(logits.float(), task.y[rows])
        norm = backward_and_step(loss, model, optimizer, scaler)
    print(f"epoch {epoch} loss {loss.item():.3f} norm {norm.item():.2f}")
with torch.no_grad():
    print(f"score {(model(x_test).argmax(1) == task.y_held_out).float().mean():.4f}")
