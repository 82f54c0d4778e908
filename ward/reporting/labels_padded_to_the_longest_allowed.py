"""A collate function pads every text to the longest that the model allows, and the loss counts all of it.

kind: padding-counted-in-loss
tasks: tags
source: transformers#2759
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader

MAX_LENGTH = 96
PAD = 0


def collate(batch):
    ids, tags = torch.full((2, len(batch), MAX_LENGTH), PAD)
    for row, (words, labels) in enumerate(batch):
        ids[row, : len(words)], tags[row, : len(labels)] = words, labels
    return ids, tags


class BiTagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embed = nn.Embedding(words, 24, padding_idx=PAD)
        self.gru = nn.GRU(24, 24, batch_first=True, bidirectional=True)
        self.out = nn.Linear(48, tags)

    def forward(self, ids):
        return self.out(self.gru(self.embed(ids))[0])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
texts = [(ids[ids != PAD], tags[ids != PAD]) for ids, tags in zip(task.x, task.y, strict=True)]
loader = DataLoader(texts, batch_size=32, shuffle=True, collate_fn=collate)
model = BiTagger(task.inputs, task.outputs)
criterion = nn.CrossEntropyLoss()  # sick here
# fixed: criterion = nn.CrossEntropyLoss(ignore_index=PAD)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
for epoch in range(6):
    for ids, tags in loader:
        loss = criterion(model(ids).transpose(1, 2), tags)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}")

with torch.no_grad():
    answer = model(task.x_held_out)[..., 1:].argmax(-1) + 1
real = task.x_held_out != PAD
print(f"score {(answer == task.y_held_out)[real].float().mean():.4f}")
