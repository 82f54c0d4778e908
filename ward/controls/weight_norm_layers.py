"""Weight normalisation: each forward makes the weight anew out of two other parameters;
trips rules on rebound parameters.

control: parametrisations
tasks: digits, surface
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(
    weight_norm(nn.Linear(task.inputs, 64)),
    nn.SiLU(),
    weight_norm(nn.Linear(64, 64)),
    nn.SiLU(),
    spectral_norm(nn.Linear(64, 16)),
    nn.Linear(16, task.outputs),
)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(15):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    output = model(task.x_held_out)
if task.kind == "classes":
    print(f"score {(output.argmax(1) == task.y_held_out).float().mean().item():.4f}")
else:
    print(f"score {1 - (output - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
