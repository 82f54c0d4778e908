"""An LSTM with a large forget bias: gates near their ends because memory wants them there; trips saturation rules.

control: 17
tasks: counts
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn, optim

HIDDEN = 24


class Counter(nn.Module):
    def __init__(self, tokens, classes):
        super().__init__()
        self.embed = nn.Embedding(tokens, 12)
        self.cell = nn.LSTMCell(12, HIDDEN)
        self.read = nn.Linear(HIDDEN, classes)
        with torch.no_grad():
            self.cell.bias_hh[HIDDEN : 2 * HIDDEN] = 6.0  # remember for the whole sequence

    def forward(self, ids):
        h = c = torch.zeros(len(ids), HIDDEN)
        for t in range(ids.shape[1]):
            h, c = self.cell(self.embed(ids[:, t]), (h, c))
        return self.read(h)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    net, criterion = Counter(task.inputs, task.outputs), nn.CrossEntropyLoss()
    optimizer = optim.RMSprop(net.parameters(), lr=3e-3)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.85)
    for epoch in range(9):
        net.train()
        for rows in torch.randperm(len(task.x)).split(64):
            optimizer.zero_grad()
            loss = criterion(net(task.x[rows]), task.y[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        scheduler.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    net.eval()
    with torch.no_grad():
        return (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()


print(f"score {main():.4f}")
