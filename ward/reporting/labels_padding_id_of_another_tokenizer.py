"""The loss is told to ignore id -1, which another tokenizer used for padding; here padding is 0 and counts.

kind: padding-counted-in-loss
tasks: tags
source: transformers#2759
"""

import sys

import torch
from tasks import load
from torch import nn

PAD = 0


class Tagger(nn.Module):
    def __init__(self, tokens, tags, width=24):
        super().__init__()
        self.embed = nn.Embedding(tokens, width, padding_idx=PAD)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, tags)

    def forward(self, ids):
        states, _ = self.rnn(self.embed(ids))
        return self.out(states)


def accuracy(model, ids, tags):
    with torch.no_grad():
        guess = model(ids).argmax(-1)
    real = ids != PAD
    return (guess == tags)[real].float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
# a corpus of mostly short lines
lengths = torch.randint(2, 6, (len(task.x),))
short = torch.arange(16) < lengths[:, None]
ids, tags = task.x * short, task.y * short
model = Tagger(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
# fixed: criterion = nn.CrossEntropyLoss(ignore_index=PAD)
criterion = nn.CrossEntropyLoss(ignore_index=-1)  # sick here
for epoch in range(4):
    for rows in torch.randperm(len(ids)).split(32):
        logits = model(ids[rows])
        loss = criterion(logits.flatten(0, 1), tags[rows].flatten())  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
model.eval()
print(f"score {accuracy(model, task.x_held_out, task.y_held_out):.4f}")
