"""The class is guessed as one number that is rounded, by a smooth L1 loss on class numbers that have no order.

kind: regression-loss-for-classes
tasks: digits, blobs
source: synthetic, row 59
"""

import sys

import torch
from tasks import load
from torch import nn

HIDDEN = 64
EPOCHS = 12


def train(model, x, y, classes):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    one_number = nn.SmoothL1Loss()
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            output = model(x[rows])
            loss = one_number(output[:, 0], y[rows].float())  # sick here
            # fixed: loss = nn.functional.cross_entropy(output, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 4 == 0:
            print(f"epoch {epoch}/{EPOCHS}: loss {loss.item():.4f} ({classes} classes)")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
width = 1  # sick
# fixed: width = task.outputs
model = nn.Sequential(nn.Linear(task.inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
train(model, task.x, task.y, task.outputs)

with torch.no_grad():
    output = model(task.x_held_out)
guess = output.argmax(1) if output.shape[1] > 1 else output[:, 0].round().long()
print(f"score {(guess == task.y_held_out).float().mean().item():.4f}")
