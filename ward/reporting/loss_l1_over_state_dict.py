"""An L1 penalty is summed over the state dict, whose tensors are cut from the graph: it changes the figure only.

kind: penalty-inert
also: overfitting
tasks: diabetes, surface
source: synthetic, row 64
"""

import sys

import torch
from tasks import load
from torch import nn


def l1_penalty(model):
    """Return the sum of the absolute weights."""
    return sum(weight.abs().sum() for name, weight in model.state_dict().items() if "weight" in name)  # sick here
    # fixed: return sum(weight.abs().sum() for name, weight in model.named_parameters() if "weight" in name)


def with_irrelevant_columns(x, generator):
    return torch.cat([x, torch.randn(len(x), 40, generator=generator)], dim=1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
generator = torch.Generator().manual_seed(seed)
x, y = with_irrelevant_columns(task.x[:120], generator), task.y[:120]
x_test = with_irrelevant_columns(task.x_held_out, generator)
net = nn.Sequential(nn.Linear(x.shape[1], 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
strength = 0.02
for epoch in range(120):
    for rows in torch.randperm(len(x)).split(30):
        optimizer.zero_grad()
        error = nn.functional.mse_loss(net(x[rows]), y[rows])
        loss = error + strength * l1_penalty(net)  # here
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch} error {error.item():.4f} with penalty {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(net(x_test), task.y_held_out):.4f}")
