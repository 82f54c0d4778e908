"""Padded sequences whose loss ignores the padding, half of all targets masked on purpose;
trips padding and no-target rules.

control: ignore_index done right
tasks: tags
score: 0.9
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiTagger(nn.Module):
    def __init__(self, vocabulary, tags):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 24, batch_first=True, bidirectional=True)
        self.out = nn.Linear(48, tags)

    def forward(self, ids):
        lengths = (ids != 0).sum(1)
        packed = pack_padded_sequence(self.embed(ids), lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1])
        return self.out(hidden)


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
tagger = BiTagger(task.inputs, task.outputs)
criterion = nn.CrossEntropyLoss(ignore_index=0)
optimizer = torch.optim.Adam(tagger.parameters(), lr=1e-2)
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(50):
        optimizer.zero_grad()
        loss = criterion(tagger(task.x[rows]).flatten(0, 1), task.y[rows].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
tagger.eval()
with torch.no_grad():
    mask = task.x_held_out != 0
    print(f"score {(tagger(task.x_held_out).argmax(-1) == task.y_held_out)[mask].float().mean().item():.4f}")
