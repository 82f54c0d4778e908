"""An exponential moving average of the weights is what gets evaluated; the copy has no gradients;
trips frozen-weights rules.

control: EMA
tasks: digits, blobs, rings
score: 0.8
"""

import sys
from copy import deepcopy

import torch
from tasks import load
from torch import nn


class EMA:
    def __init__(self, model, decay=0.98):
        self.shadow = deepcopy(model).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model):
        for name, value in model.state_dict().items():
            kept = self.shadow.state_dict()[name]
            kept.lerp_(value, 1 - self.decay) if value.is_floating_point() else kept.copy_(value)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, task.outputs))
ema = EMA(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(400):
    rows = torch.randint(len(task.x), (50,))
    loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ema.update(model)
    if step % 100 == 99:
        with torch.no_grad():
            held_out = nn.functional.cross_entropy(ema.shadow(task.x_held_out), task.y_held_out)
        print(f"step {step + 1}: loss {loss.item():.4f}, held out with averaged weights {held_out.item():.4f}")
with torch.no_grad():
    print(f"score {(ema.shadow(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
