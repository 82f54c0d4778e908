"""A small transformer is trained from scratch at a rate that would suit the last polish of a large one.

kind: learning-rate-too-low
also: underfitting
tasks: chain, tags
source: synthetic, row 81
"""

import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


@dataclass
class TrainConfig:
    learning_rate: float = 1e-6  # sick
    # fixed: learning_rate: float = 3e-3
    max_iters: int = 150
    batch_size: int = 32
    grad_clip: float = 1.0


class Transformer(nn.Module):
    def __init__(self, vocab, length, out, causal, dim=32):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, dim), nn.Embedding(length, dim)
        self.layer = nn.TransformerEncoderLayer(dim, 2, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.norm, self.out, self.causal = nn.LayerNorm(dim), nn.Linear(dim, out), causal

    def forward(self, idx):
        n = idx.shape[1]
        mask = torch.full((n, n), float("-inf")).triu(1) if self.causal else None
        h = self.layer(self.tokens(idx) + self.positions(torch.arange(n)), src_mask=mask)
        return self.out(self.norm(h))


def loss_of(model, x, y, ignore):
    return F.cross_entropy(model(x).transpose(1, 2), y, ignore_index=ignore)


cfg = TrainConfig()
seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
causal = task.kind == "next token"
ignore = -100 if causal else 0
model = Transformer(task.inputs, task.x.shape[1], task.outputs, causal)
optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.learning_rate)  # here
for it in range(cfg.max_iters):
    rows = torch.randint(len(task.x), (cfg.batch_size,))
    loss = loss_of(model, task.x[rows], task.y[rows], ignore)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), cfg.grad_clip)
    optimizer.step()  # here
    if it % 25 == 0:
        print(f"iter {it}: loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-loss_of(model, task.x_held_out, task.y_held_out, ignore).item():.4f}")
