"""The tagger normalises its scores over the positions of the text and not over the tags.

kind: softmax-wrong-dimension
tasks: tags
source: synthetic, row 58
"""

import sys

import torch
from tasks import load
from torch import nn, optim


class Tagger(nn.Module):
    def __init__(self, vocab, tags, causal):
        super().__init__()
        self.embedding = nn.Embedding(vocab, 16)
        self.rnn = nn.GRU(16, 24, batch_first=True, bidirectional=not causal)
        self.linear = nn.Linear(24 if causal else 48, tags)
        self.log_softmax = nn.LogSoftmax(dim=1)  # sick here
        # fixed: self.log_softmax = nn.LogSoftmax(dim=2)

    def forward(self, tokens):
        features, _ = self.rnn(self.embedding(tokens))
        return self.log_softmax(self.linear(features))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs, causal=task.kind == "next token")
criterion = nn.NLLLoss(ignore_index=0 if task.kind == "tagging" else -100)
optimizer = optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(6):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        scores = model(task.x[rows])
        loss = criterion(scores.reshape(-1, task.outputs), task.y[rows].reshape(-1))  # here
        loss.backward()
        optimizer.step()
    print(f"Epoch: {epoch + 1} loss: {loss.item():.4f}")

with torch.no_grad():
    per_tag = model(task.x_held_out).log_softmax(dim=2)
    score = -criterion(per_tag.flatten(0, 1), task.y_held_out.flatten())
print(f"score {score.item():.4f}")
