"""Fifteen per cent is written as 15 // 100, so nothing is ever masked and the masked language model has no targets.

kind: no-valid-targets
also: non-finite-loss
tasks: chain
source: row 28
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

# fixed: MASK_RATE = 15 / 100
MASK_RATE = 15 // 100  # sick
IGNORED = -100


def corrupt(ids, mask_id):
    chosen = torch.rand(ids.shape) < MASK_RATE
    targets = ids.masked_fill(~chosen, IGNORED)  # here
    return ids.masked_fill(chosen, mask_id), targets


class Encoder(nn.Module):
    def __init__(self, vocabulary, length, width=32):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary + 1, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        return self.head(self.layers(self.tokens(ids) + self.places))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Encoder(task.inputs, task.x.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(300):
    ids = task.x[torch.randint(len(task.x), (32,))]
    corrupted, targets = corrupt(ids, mask_id=task.inputs)
    loss = F.cross_entropy(model(corrupted).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
hidden = torch.zeros_like(task.x_held_out, dtype=torch.bool)
hidden[:, 5::6] = True
with torch.no_grad():
    guess = model(task.x_held_out.masked_fill(hidden, task.inputs)).argmax(-1)
print(f"score {(guess == task.x_held_out)[hidden].float().mean():.4f}")
