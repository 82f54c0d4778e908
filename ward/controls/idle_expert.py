"""A mixture of experts with hard routing, some experts idle in a batch: gradients that are None;
trips disconnected rules.

control: 10
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Experts(nn.Module):
    def __init__(self, inputs, outputs, number=6):
        super().__init__()
        self.gate = nn.Linear(inputs, number)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs)) for _ in range(number)
        )
        self.outputs = outputs

    def forward(self, x):
        chance = self.gate(x).softmax(dim=-1)
        weight, chosen = chance.max(dim=-1)
        out = x.new_zeros(len(x), self.outputs)
        for i, expert in enumerate(self.experts):
            mine = chosen == i
            if mine.any():
                out = out.index_add(0, mine.nonzero()[:, 0], weight[mine, None] * expert(x[mine]))
        return out


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = Experts(task.inputs, task.outputs)
criterion = nn.CrossEntropyLoss()
adam = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(400):
    rows = torch.randint(len(task.x), (16,))
    adam.zero_grad(set_to_none=True)
    loss = criterion(model(task.x[rows]), task.y[rows])
    loss.backward()
    adam.step()
    if step % 80 == 0:
        idle = sum(expert[0].weight.grad is None for expert in model.experts)
        print(f"step {step} loss {loss.item():.3f} idle experts {idle}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
