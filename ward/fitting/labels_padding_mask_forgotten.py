"""The tagger's loss is averaged over all positions; the mask of the real ones is built and never used.

kind: padding-counted-in-loss
tasks: tags
source: DALLE-pytorch#57
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class BiLSTMTagger(nn.Module):
    def __init__(self, vocab, tags, dim=12, hidden=12):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim, padding_idx=0)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, tags)

    def forward(self, x):
        out, _ = self.lstm(self.emb(x))
        return self.fc(out)


def step(model, optimizer, tokens, tags):
    mask = (tokens != 0).float()
    losses = F.cross_entropy(model(tokens).transpose(1, 2), tags, reduction="none")  # here
    loss = losses.mean()  # sick here
    # fixed: loss = (losses * mask).sum() / mask.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), mask.mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = BiLSTMTagger(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(4):
    for rows in torch.randperm(len(task.x)).split(25):
        loss, share = step(model, optimizer, task.x[rows], task.y[rows])
    print(f"epoch {epoch} loss {loss:.4f} ({share:.0%} real)")

with torch.no_grad():
    real = task.x_held_out != 0
    score = -F.cross_entropy(model(task.x_held_out)[real], task.y_held_out[real])
print(f"score {score.item():.4f}")
