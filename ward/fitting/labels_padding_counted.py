"""Padding counts in the loss of a tagger, which earns half of its figure on it.

kind: padding-counted-in-loss
tasks: tags
source: transformers#2759
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Tagger(nn.Module):
    def __init__(self, ids, tags):
        super().__init__()
        self.embedding = nn.Embedding(ids, 16, padding_idx=0)
        self.rnn = nn.GRU(16, 24, batch_first=True)
        self.to_tags = nn.Linear(24, tags)

    def forward(self, ids):
        states, _ = self.rnn(self.embedding(ids))
        return self.to_tags(states)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs)
criterion = nn.CrossEntropyLoss()  # sick here
# fixed: criterion = nn.CrossEntropyLoss(ignore_index=0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
for epoch in range(6):
    for ids, tags in DataLoader(TensorDataset(task.x, task.y), batch_size=25, shuffle=True):
        loss = criterion(model(ids).flatten(0, 1), tags.flatten())  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    real = task.y_held_out != 0
    held_out = nn.functional.cross_entropy(model(task.x_held_out)[real], task.y_held_out[real])
print(f"score {-held_out:.4f}")
