"""An autoencoder of token sequences, whose targets are its inputs, by way of one vector; trips rules on targets that
are not shifted.

control: sequence autoencoder
tasks: tags, counts
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

LENGTH = 6


class Autoencoder(nn.Module):
    def __init__(self, vocab, dim=16, code=64):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.squeeze = nn.Sequential(nn.Linear(dim * LENGTH, 128), nn.ReLU(), nn.Linear(128, code))
        self.unfold = nn.Sequential(nn.Linear(code, 128), nn.ReLU(), nn.Linear(128, vocab * LENGTH))

    def forward(self, ids):
        code = self.squeeze(self.embed(ids).flatten(1))
        return self.unfold(code).unflatten(1, (LENGTH, -1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train, test = task.x[:, :LENGTH], task.x_held_out[:, :LENGTH]
model = Autoencoder(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(12):
    for rows in torch.randperm(len(train)).split(32):
        ids = train[rows]
        loss = criterion(model(ids).flatten(0, 1), ids.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} reconstruction {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(test).argmax(-1) == test).float().mean().item():.4f}")
