"""An autoencoder whose decoder is the encoder turned over: the same matrices are used twice in a forward pass;
trips rules on weights in two places and on layers that are never called.

control: 6, tied weights of an autoencoder
tasks: digits, tiles
score: 0.6
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Tied(nn.Module):
    def __init__(self, pixels, hidden=64, code=12):
        super().__init__()
        self.outer = nn.Linear(pixels, hidden)
        self.inner = nn.Linear(hidden, code)
        self.inner_back = nn.Parameter(torch.zeros(hidden))
        self.outer_back = nn.Parameter(torch.zeros(pixels))

    def forward(self, x):
        code = self.inner(F.elu(self.outer(x)))
        hidden = F.elu(F.linear(code, self.inner.weight.t(), self.inner_back))
        return F.linear(hidden, self.outer.weight.t(), self.outer_back)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
pictures, held_out = task.x.flatten(1), task.x_held_out.flatten(1)
model = Tied(pictures.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(15):
    total = 0.0
    for rows in torch.randperm(len(pictures)).split(50):
        clean = pictures[rows]
        noisy = clean * (torch.rand_like(clean) > 0.1)
        loss = F.mse_loss(model(noisy), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {total / len(pictures):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {1 - (F.mse_loss(model(held_out), held_out) / held_out.var()).item():.4f}")
