"""The output layer shares the embedding, which keeps its standard normal weights: the first logits are far too large.

kind: initial-loss-too-high
also: activations-change-scale-with-depth
tasks: chain
source: synthetic, row 49
"""

import sys

import torch
from tasks import load
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        time = x.shape[1]
        mask = torch.triu(torch.ones(time, time, dtype=torch.bool), diagonal=1)
        y = self.norm1(x)
        x = x + self.attend(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class LanguageModel(nn.Module):
    def __init__(self, words, width=128):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        # fixed: nn.init.normal_(self.embedding.weight, std=0.02)
        self.block = Block(width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.embedding.weight  # here

    def forward(self, ids):
        return self.head(self.norm(self.block(self.embedding(ids))))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = LanguageModel(task.inputs)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
model.train()
for step in range(120):
    rows = torch.randint(len(task.x), (16,))
    logits = model(task.x[rows])
    loss = nn.functional.cross_entropy(logits.transpose(1, 2), task.y[rows])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step} loss {loss.item():.3f}")

model.eval()
with torch.no_grad():
    loss = nn.functional.cross_entropy(model(task.x_held_out).transpose(1, 2), task.y_held_out)
print(f"score {-loss:.4f}")
