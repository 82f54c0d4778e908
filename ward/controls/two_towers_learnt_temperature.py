"""Two views of each row find each other in the batch by two encoders and a learnt temperature, as in CLIP;
trips rules on softmax over the batch, on labels that are numbers of rows and on a scalar weight without decay.

control: 20, contrastive in both directions
tasks: digits, blobs
score: 0.7
"""

import math
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class TwoTowers(nn.Module):
    def __init__(self, left, right, width=24):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(left, 64), nn.ReLU(), nn.Linear(64, width))
        self.right = nn.Sequential(nn.Linear(right, 64), nn.ReLU(), nn.Linear(64, width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, a, b):
        a, b = F.normalize(self.left(a), dim=1), F.normalize(self.right(b), dim=1)
        return self.log_scale.clamp(max=math.log(100.0)).exp() * a @ b.T


def views(x, y, outputs):
    """A picture with noise, and a caption of its class with noise."""
    captions = F.one_hot(y, outputs).float()
    return x + 0.1 * torch.randn_like(x), captions + 0.1 * torch.randn_like(captions)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TwoTowers(task.inputs, task.outputs)
weights = [p for p in model.parameters() if p.ndim > 0]
optimizer = torch.optim.AdamW(
    [{"params": weights, "weight_decay": 0.05}, {"params": [model.log_scale], "weight_decay": 0.0}], lr=3e-3
)
for step in range(400):
    rows = torch.randint(len(task.x), (48,))
    logits = model(*views(task.x[rows], task.y[rows], task.outputs))
    pairs = torch.arange(len(rows))
    loss = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.4f} scale {model.log_scale.exp().item():.2f}")

model.eval()
with torch.no_grad():
    guess = model(task.x_held_out, torch.eye(task.outputs)).argmax(1)
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
