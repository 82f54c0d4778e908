"""The value to be predicted passes a softmax over its only column, which leaves 1.

kind: softmax-over-one-unit
also: outputs-ignore-input
tasks: curve, surface, diabetes
source: SO 33969059
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load


class Estimator(torch.nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.first = torch.nn.Linear(columns, 64)
        self.second = torch.nn.Linear(64, 1)

    def forward(self, rows):
        out = self.second(F.relu(self.first(rows)))
        out = out.softmax(-1)  # sick here
        return out


random_seed = int(sys.argv[1])
torch.manual_seed(random_seed)
data = load(sys.argv[2], random_seed)
est = Estimator(data.inputs)
adam = torch.optim.Adam(est.parameters(), lr=1e-2)
for step in range(400):
    choice = torch.randint(len(data.x), (40,))
    adam.zero_grad()
    loss = F.l1_loss(est(data.x[choice]), data.y[choice])  # here
    loss.backward()
    adam.step()
    if step % 100 == 0:
        print(f"[{step:4}] {loss.item():.3f}")

with torch.no_grad():
    error = F.mse_loss(est(data.x_held_out), data.y_held_out)
print(f"score {1 - error / data.y_held_out.var():.4f}")
