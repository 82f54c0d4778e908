"""A transformer encoder is given [batch, time, width] but takes the first for time: it attends over the batch.

kind: samples-mixed-in-batch
tasks: tags
source: rows 16 and 42
"""

import sys

import torch
from tasks import load
from torch import nn


class Tagger(nn.Module):
    def __init__(self, words, tags, width=32, longest=16):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(longest, width) * 0.5)
        layer = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=64, dropout=0.0)  # sick here
        # fixed: layer = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.out = nn.Linear(width, tags)

    def forward(self, ids):
        x = self.words(ids) + self.places[: ids.shape[1]]
        return self.out(self.encoder(x))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
tagger = Tagger(task.inputs, task.outputs)
optimizer = torch.optim.AdamW(tagger.parameters(), lr=2e-3)
for step in range(350):
    rows = torch.randint(len(task.x), (32,))
    scores = tagger(task.x[rows])
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), task.y[rows].flatten(), ignore_index=0)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
    optimizer.step()
    if step % 70 == 0:
        print(f"step {step} loss {loss.item():.3f}")

tagger.eval()
with torch.no_grad():
    tags = tagger(task.x_held_out).argmax(-1)
real = task.y_held_out != 0
print(f"score {(tags == task.y_held_out)[real].float().mean():.4f}")
