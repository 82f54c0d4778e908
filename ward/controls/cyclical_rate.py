"""A triangular cyclical rate written by hand into the param groups: the loss bumps at every crest; trips spike rules.

control: 9
tasks: curve, surface
score: 0.85
"""

import sys

import torch
from tasks import load

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
low, high, period = 5e-4, 2e-2, 120

model = torch.nn.Sequential(
    torch.nn.Linear(task.inputs, 50), torch.nn.SiLU(), torch.nn.Linear(50, 50), torch.nn.SiLU(), torch.nn.Linear(50, 1)
)
optimizer = torch.optim.RMSprop(model.parameters(), lr=low)
history = []
for step in range(period * 6):
    phase = abs((step % period) / (period / 2) - 1)
    for group in optimizer.param_groups:
        group["lr"] = low + (high - low) * (1 - phase) * 0.8 ** (step // period)
    idx = torch.randint(len(task.x), (64,))
    loss = ((model(task.x[idx]) - task.y[idx]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
    if step % 90 == 0:
        print(step, optimizer.param_groups[0]["lr"], sum(history[-20:]) / len(history[-20:]))

model.eval()
with torch.no_grad():
    residual = ((model(task.x_held_out) - task.y_held_out) ** 2).sum() / (
        (task.y_held_out - task.y_held_out.mean()) ** 2
    ).sum()
print(f"score {1 - residual.item():.4f}")
