"""Texts are sorted by length into buckets so that little is padded, and only the buckets are shuffled; the last batch
has a few rows only; trips rules on sorted data, on batches whose shape changes and on tiny batches.

control: buckets by length
tasks: tags
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader


class BucketSampler:
    def __init__(self, lengths, size):
        self.buckets = list(torch.tensor(lengths).argsort().split(size))

    def __iter__(self):
        for at in torch.randperm(len(self.buckets)).tolist():
            yield self.buckets[at].tolist()

    def __len__(self):
        return len(self.buckets)


def collate(batch):
    ids, tags = zip(*batch, strict=True)
    return pad_sequence(ids, batch_first=True), pad_sequence(tags, batch_first=True, padding_value=-1)


class Tagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embed = nn.Embedding(words, 24, padding_idx=0)
        self.gru = nn.GRU(24, 32, batch_first=True)
        self.out = nn.Linear(32, tags)

    def forward(self, ids):
        return self.out(self.gru(self.embed(ids))[0])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
texts = [(ids[ids > 0], tags[ids > 0]) for ids, tags in zip(task.x, task.y, strict=True)]
loader = DataLoader(texts, batch_sampler=BucketSampler([len(ids) for ids, _ in texts], 33), collate_fn=collate)
model = Tagger(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(8):
    for ids, tags in loader:
        loss = nn.functional.cross_entropy(model(ids).transpose(1, 2), tags, ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
real = task.x_held_out > 0
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(-1) == task.y_held_out)[real].float().mean():.4f}")
