"""Accumulation where every micro-batch has another number of tokens, summed and divided by them all;
trips not-averaged rules.

control: 12
tasks: tags
score: 0.85
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load

PAD = 0


class Tagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embed = nn.Embedding(words, 24, padding_idx=PAD)
        self.rnn = nn.GRU(24, 32, batch_first=True)
        self.tag = nn.Linear(32, tags)

    def forward(self, ids):
        return self.tag(self.rnn(self.embed(ids))[0])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(150):
    micro = torch.randint(len(task.x), (4, 16)).unbind(0)
    tokens = sum(int((task.x[rows] != PAD).sum()) for rows in micro)
    opt.zero_grad()
    total = 0.0
    for rows in micro:
        target = task.y[rows].masked_fill(task.x[rows] == PAD, -100)
        loss = F.cross_entropy(model(task.x[rows]).flatten(0, 1), target.flatten(), reduction="sum") / tokens
        loss.backward()
        total += loss.item()
    opt.step()
    if step % 30 == 0:
        print(f"step {step}: loss per token {total:.4f}")

model.eval()
with torch.no_grad():
    real = task.x_held_out != PAD
    right = (model(task.x_held_out).argmax(-1) == task.y_held_out)[real]
print(f"score {right.float().mean().item():.4f}")
