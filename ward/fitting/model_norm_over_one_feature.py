"""Each measurement becomes a token of its own, and a LayerNorm over one feature makes all of them zero.

kind: outputs-ignore-input
tasks: curve, surface, diabetes
source: row 40
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class TokenPerFeature(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.norm = nn.LayerNorm(1)  # sick here
        # fixed: self.norm = nn.Identity()
        self.weight = nn.Parameter(torch.randn(features, 24))
        self.bias = nn.Parameter(torch.randn(features, 24))
        self.mix = nn.Sequential(nn.Linear(features * 24, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, x):
        tokens = self.norm(x.unsqueeze(-1))  # here
        tokens = torch.tanh(tokens * self.weight + self.bias)
        return self.mix(tokens.flatten(1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TokenPerFeature(task.inputs)
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=40, shuffle=True)
for epoch in range(15):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} mse {loss.item():.4f}")

model.eval()
with torch.no_grad():
    error = nn.functional.mse_loss(model(task.x_held_out), task.y_held_out)
print(f"score {1 - error / task.y_held_out.var():.4f}")
