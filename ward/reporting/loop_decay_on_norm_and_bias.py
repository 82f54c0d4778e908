"""One group for everything: the weight decay also pulls the gains and biases of the normalisation to zero.

kind: weight-decay-on-bias-or-norm
tasks: digits, blobs, cancer
source: synthetic, row 75
gap: none, it depends on the task whether the score suffers, and with a usual weight decay it does not
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return x + torch.relu(self.linear(self.norm(x)))


model = nn.Sequential(nn.Linear(task.inputs, 32), Block(32), Block(32), nn.LayerNorm(32), nn.Linear(32, task.outputs))
decayed = [p for p in model.parameters() if p.ndim > 1]
plain = [p for p in model.parameters() if p.ndim <= 1]
groups = [{"params": decayed + plain}]  # sick here
# fixed: groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=5e-3, weight_decay=0.1)  # here
criterion = nn.CrossEntropyLoss()

for step in range(600):
    rows = torch.randint(len(task.x), (64,))
    loss = criterion(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
