"""The losses of the whole run are kept in a list as they are, each with the graph behind it.

kind: graph-kept-alive
tasks: curve, surface, diabetes
source: synthetic, row 114
gap: none, costs memory and not the result
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(data.inputs, 40), nn.Tanh(), nn.Linear(40, 1))
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
losses = []

for _ in range(600):
    rows = torch.randint(len(data.x), (40,))
    loss = nn.functional.smooth_l1_loss(model(data.x[rows]), data.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss)  # sick here
    # fixed: losses.append(loss.detach())

for step in range(0, 600, 120):
    print(f"steps {step} to {step + 119}: mean loss {torch.stack(losses[step : step + 120]).mean().item():.4f}")
with torch.no_grad():
    error = nn.functional.mse_loss(model(data.x_held_out), data.y_held_out)
print(f"score {1 - error.item() / data.y_held_out.var(unbiased=False).item():.4f}")
