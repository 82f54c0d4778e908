"""A language model reads its text in both directions, and so it sees the token that it is to guess.

kind: future-visible
tasks: chain
source: synthetic, row 41
"""

import sys

import torch
from tasks import load
from torch import nn


class WordModel(nn.Module):
    def __init__(self, vocab, both, hidden=24):
        super().__init__()
        self.lookup = nn.Embedding(vocab, 16)
        self.rnn = nn.GRU(16, hidden, batch_first=True, bidirectional=both)  # here
        self.out = nn.Linear(hidden * (1 + both), vocab)

    def forward(self, words):
        states, _ = self.rnn(self.lookup(words))  # here
        return self.out(states)


def next_word_accuracy(model, x, y):
    """Guess the word after each prefix, which is all that a reader knows."""
    model.eval()
    with torch.no_grad():
        guesses = [model(x[:, :n])[:, -1].argmax(1) for n in range(2, x.shape[1] + 1)]
    return (torch.stack(guesses, dim=1) == y[:, 1:]).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
text = torch.cat([task.x, task.y[:, -1:]], dim=1)
model = WordModel(task.inputs, both=True)  # sick here
# fixed: model = WordModel(task.inputs, both=False)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        words = text[rows]
        logits = model(words)[:, :-1]
        loss = criterion(logits.flatten(0, 1), words[:, 1:].flatten())  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} perplexity {loss.exp().item():.3f}")
print(f"score {next_word_accuracy(model, task.x_held_out, task.y_held_out):.4f}")
