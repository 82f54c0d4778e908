"""Small batches of noisy values at a high constant rate: the loss falls to a floor that only a falling rate can leave.

kind: learning-rate-too-high
also: plateau
tasks: curve
source: synthetic, row 88
"""

import sys

import torch
from tasks import load
from torch import nn

STEPS = 1500
RATE = 0.12


def model_of(inputs):
    return nn.Sequential(nn.Linear(inputs, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = model_of(task.inputs)
optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)  # here
for step in range(STEPS):
    # fixed: optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
    rows = torch.randint(len(task.x), (4,))
    noisy = task.y[rows] + 0.5 * torch.randn(4, 1)
    loss = nn.functional.mse_loss(model(task.x[rows]), noisy)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(task.x_held_out), task.y_held_out):.4f}")
