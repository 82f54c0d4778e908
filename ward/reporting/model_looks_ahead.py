"""A transformer that is to predict the next token is not given a causal mask and reads it instead.

kind: future-visible
tasks: chain
source: transformers#48745
unseen: only a test that disturbs a later token and watches the earlier outputs decides it
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self, ids, length, width=32):
        super().__init__()
        self.tokens = nn.Embedding(ids, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.5)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.out = nn.Linear(width, ids)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.tokens(ids) + self.positions[:length]
        mask = torch.zeros(length, length, dtype=torch.bool)  # sick
        # fixed: mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        x = x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]  # here
        return self.out(x + self.feed(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
corpus = load(sys.argv[2], seed)
model = LanguageModel(corpus.inputs, corpus.x.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for step in range(300):
    rows = torch.randint(len(corpus.x), (32,))
    logits = model(corpus.x[rows])
    loss = F.cross_entropy(logits.transpose(1, 2), corpus.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
hits = 0.0
with torch.no_grad():  # as in use: token by token, with nothing after it
    for length in range(4, 20):
        guess = model(corpus.x_held_out[:, :length])[:, -1].argmax(1)
        hits += (guess == corpus.y_held_out[:, length - 1]).float().mean().item()
print(f"score {hits / 16:.4f}")
