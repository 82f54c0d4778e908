"""A masked language model: five of six targets are ignored and the others equal the uncorrupted input;
trips padding, shift and ignore rules.

control: 4
tasks: chain
score: 0.6
"""

import sys

import torch
from tasks import load
from torch import nn


class Bert(nn.Module):
    def __init__(self, vocab, length, dim=32):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab + 1, dim), nn.Embedding(length, dim)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, vocab))

    def forward(self, ids):
        return self.head(self.encoder(self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))))


def corrupt(ids, mask_id):
    chosen = torch.rand(ids.shape) < 1 / 6
    return ids.masked_fill(chosen, mask_id), ids.masked_fill(~chosen, -100)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Bert(task.inputs, task.x.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(300):
    ids = task.x[torch.randint(len(task.x), (64,))]
    inputs, labels = corrupt(ids, task.inputs)
    loss = nn.functional.cross_entropy(model(inputs).transpose(1, 2), labels, ignore_index=-100)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} masked loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    inputs, labels = corrupt(task.x_held_out, task.inputs)
    hits = model(inputs).argmax(-1) == labels
print(f"score {hits[labels != -100].float().mean().item():.4f}")
