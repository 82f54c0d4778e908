"""A causal transformer is scored on the token that it has just read: the logits are cut, the targets are not moved.

kind: next-token-not-shifted
tasks: chain
source: synthetic, row 27
"""

import math
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class TinyGPT(nn.Module):
    def __init__(self, vocab, block, dim=32, heads=4, layers=2):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Parameter(torch.randn(block, dim) / math.sqrt(dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(dim, vocab)

    def forward(self, idx):
        mask = nn.Transformer.generate_square_subsequent_mask(idx.shape[1])
        return self.head(self.blocks(self.tok(idx) + self.pos[: idx.shape[1]], mask=mask, is_causal=True))


def lm_loss(logits, tokens):
    logits = logits[:, :-1]
    targets = tokens[:, :-1]  # sick
    # fixed: targets = tokens[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
text = torch.cat([task.x, task.y[:, -1:]], dim=1)
model = TinyGPT(task.inputs, text.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
for it in range(120):
    batch = text[torch.randint(len(text), (32,))]
    loss = lm_loss(model(batch), batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 20 == 0:
        print(f"iter {it}: loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    hits = model(task.x_held_out).argmax(-1) == task.y_held_out
print(f"score {hits.float().mean().item():.4f}")
