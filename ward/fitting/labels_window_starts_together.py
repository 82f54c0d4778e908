"""get_batch cuts the targets from the same place as the inputs: the model learns to repeat what it reads.

kind: next-token-not-shifted
tasks: chain
source: row 27
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
block_size, batch_size, n_embd = 12, 32, 32
data = torch.cat([task.x[:, :1], task.y], dim=1)


def get_batch():
    ix = torch.randint(data.shape[1] - block_size, (batch_size,))
    rows = torch.randint(len(data), (batch_size,))
    x = torch.stack([data[r, i : i + block_size] for r, i in zip(rows, ix, strict=True)])
    y = torch.stack([data[r, i : i + block_size] for r, i in zip(rows, ix, strict=True)])  # sick here
    # fixed: y = torch.stack([data[r, i + 1 : i + 1 + block_size] for r, i in zip(rows, ix, strict=True)])
    return x, y


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class TinyLanguageModel(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, n_embd)
        self.positions = nn.Embedding(task.x.shape[1], n_embd)
        self.head = Head()
        self.mlp = nn.Sequential(nn.Linear(n_embd, 64), nn.GELU(), nn.Linear(64, n_embd))
        self.ln = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocabulary)

    def forward(self, idx, targets=None):
        x = self.tokens(idx) + self.positions(torch.arange(idx.shape[1]))
        x = x + self.head(x)
        x = x + self.mlp(self.ln(x))
        logits = self.lm_head(x)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))  # here


model = TinyLanguageModel(task.inputs)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for it in range(200):
    xb, yb = get_batch()
    _, loss = model(xb, yb)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if it % 40 == 0:
        print(f"iter {it}: loss {loss.item():.4f}")

with torch.no_grad():
    guess = model(task.x_held_out)[0].argmax(-1)
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
