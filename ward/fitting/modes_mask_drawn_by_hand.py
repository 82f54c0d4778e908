"""A word dropout written by hand draws its mask in every forward, in evaluation as in training.

kind: dropout-always-on
tasks: tags
source: PyTorchNLPBook#28
"""

import sys

import torch
from tasks import load
from torch import nn


class WordDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, embedded):
        # fixed: if not self.training:
        # fixed:     return embedded
        keep = torch.rand(embedded.shape[:2]) >= self.p  # here
        return embedded * keep.unsqueeze(-1)  # here


class Tagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embed = nn.Embedding(words, 24, padding_idx=0)
        self.drop = WordDropout(p=0.25)
        self.rnn = nn.LSTM(24, 32, batch_first=True, bidirectional=True)
        self.out = nn.Linear(64, tags)

    def forward(self, ids):
        return self.out(self.rnn(self.drop(self.embed(ids)))[0])  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
criterion = nn.CrossEntropyLoss(ignore_index=0)
for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(task.x)).split(50):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]).transpose(1, 2), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    guess = model(task.x_held_out).argmax(-1)
real = task.y_held_out != 0
print(f"score {(guess == task.y_held_out)[real].float().mean():.4f}")
