"""Low-rank adapters: B starts at zero, so A gets no gradient at first, and A and B meet without a nonlinearity
between them.

control: 11
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class LoRA(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 4, alpha: float = 8.0):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Linear(base.in_features, rank, bias=False)
        self.B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.B.weight)
        self.scaling = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scaling * self.B(self.A(x))


class MLP(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.up = nn.Linear(inputs, 64)
        self.mid = nn.Linear(64, 64)
        self.out = nn.Linear(64, outputs)

    def forward(self, x):
        return self.out(F.gelu(self.mid(F.gelu(self.up(x)))))


def loop(model, x, y, steps, lr):
    trainable = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(trainable, lr=lr, weight_decay=0.0)
    for step in range(steps):
        rows = torch.randint(len(x), (48,))
        loss = F.cross_entropy(model(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 100 == 0:
            print(f"  {step:4d} {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = MLP(task.inputs, task.outputs)
print("base model, on slightly different data")
loop(model, task.x + 0.3 * torch.randn(task.inputs), task.y, steps=200, lr=2e-3)
model.up, model.mid = LoRA(model.up), LoRA(model.mid)
for p in model.out.parameters():
    p.requires_grad_(False)
print("adapters")
loop(model, task.x, task.y, steps=300, lr=4e-3)
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
