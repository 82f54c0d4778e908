"""A rate finder drives the loss up with growing rates, then puts the weights back and trains;
trips divergence and rate rules.

control: learning-rate finder
tasks: digits, blobs, rings
score: 0.8
"""

import copy
import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
criterion = nn.CrossEntropyLoss()


def one_step(model, optimizer):
    rows = torch.randint(len(task.x), (64,))
    optimizer.zero_grad()
    loss = criterion(model(task.x[rows]), task.y[rows])
    loss.backward()
    optimizer.step()
    return loss.item()


def find_rate(model, low=1e-3, high=3.0, steps=60):
    kept = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=low)
    smooth, best, best_rate = None, float("inf"), low
    for i in range(steps):
        rate = low * (high / low) ** (i / steps)
        optimizer.param_groups[0]["lr"] = rate
        loss = one_step(model, optimizer)
        smooth = loss if smooth is None else 0.8 * smooth + 0.2 * loss
        if smooth < best:
            best, best_rate = smooth, rate
        if smooth > 2 * best:
            break
    model.load_state_dict(kept)
    return best_rate / 5


net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
rate = find_rate(net)
print(f"suggested rate {rate:.3f}")
optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
for step in range(500):
    loss = one_step(net, optimizer)
    if step % 100 == 0:
        print(f"step {step} loss {loss:.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
