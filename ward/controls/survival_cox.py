"""Cox's partial likelihood of lifetimes, each risk beside everybody who is still at risk; trips rules on broadcasts.

control: survival
tasks: surface, diabetes
score: 0.2
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

lifetime = torch.exp(-task.y.squeeze(1) + 0.1 * torch.randn(len(task.y)))
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(64):
        times = lifetime[rows]
        at_risk = (times[:, None] <= times[None, :]).float()
        risk = model(task.x[rows])
        exposed = (risk.squeeze(1).exp() * at_risk).sum(1)
        loss = (exposed.log() - risk.squeeze(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    both = torch.stack([model(task.x_held_out).squeeze(1), task.y_held_out.squeeze(1)])
print(f"score {torch.corrcoef(both)[0, 1].item():.4f}")
