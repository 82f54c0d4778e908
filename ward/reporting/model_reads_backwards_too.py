"""The recurrent net of a language model is bidirectional: its backward half has read the token that is asked for.

kind: future-visible
tasks: chain
source: synthetic, row 41
unseen: only a test that disturbs a later token and watches the earlier outputs decides it
"""

import sys

import torch
from tasks import load
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self, vocabulary, width=24, bidirectional=False):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.rnn = nn.GRU(width, width, batch_first=True, bidirectional=bidirectional)  # here
        self.head = nn.Linear(width * (2 if bidirectional else 1), vocabulary)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


@torch.no_grad()
def next_token_loss(model, x, y):
    """Predict the last token of prefixes that end where the known text ends."""
    model.eval()
    cross_entropy = nn.functional.cross_entropy
    losses = [cross_entropy(model(x[:, : n + 1])[:, -1], y[:, n]).item() for n in range(4, x.shape[1], 5)]
    return sum(losses) / len(losses)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
# fixed: model = LanguageModel(task.inputs)
model = LanguageModel(task.inputs, bidirectional=True)  # sick here
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(14):
    model.train()
    for rows in torch.randperm(len(task.x)).split(40):
        ids = task.x[rows]
        logits = model(ids)[:, :-1]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
print(f"score {-next_token_loss(model, task.x_held_out, task.y_held_out):.4f}")
