"""Monte Carlo dropout: many no_grad passes in training mode, to measure doubt; trips evaluating-in-train-mode.

control: 13
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


def mc_predict(model, x, samples=20):
    """Return the mean probabilities and their spread over stochastic passes of the same inputs."""
    model.train()  # keeps dropout on
    with torch.no_grad():
        draws = torch.stack([model(x).softmax(dim=1) for _ in range(samples)])
    return draws.mean(0), draws.std(0)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(
    nn.Linear(task.inputs, 128), nn.ReLU(), nn.Dropout(0.2),
    nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.2),
    nn.Linear(128, task.outputs),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(450):
    rows = torch.randint(len(task.x), (64,))
    loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (step + 1) % 150 == 0:
        mean, spread = mc_predict(model, task.x_held_out)
        print(f"step {step + 1} loss {loss.item():.4f} doubt {spread.mean().item():.4f}")

mean, _ = mc_predict(model, task.x_held_out)
print(f"score {(mean.argmax(1) == task.y_held_out).float().mean().item():.4f}")
