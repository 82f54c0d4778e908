"""Two views agree, one of them behind a stop-gradient (SimSiam), and a linear probe follows; the loss lives below zero
and the detach is what keeps it from collapsing; trips rules on negative losses, detached graphs and collapse.

control: stop-gradient on purpose
tasks: digits, blobs
score: 0.7
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
encoder = nn.Sequential(
    nn.Linear(task.inputs, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 48), nn.BatchNorm1d(48)
)
predictor = nn.Sequential(nn.Linear(48, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 48))
optimizer = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-4)


def view(x):
    return x + 0.4 * torch.randn_like(x)


for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(64):
        if len(rows) < 16:
            continue
        first, second = encoder(view(task.x[rows])), encoder(view(task.x[rows]))
        loss = -F.cosine_similarity(predictor(first), second.detach()).mean() / 2
        loss = loss - F.cosine_similarity(predictor(second), first.detach()).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} agreement {-loss.item():.3f}")

encoder.eval()
with torch.no_grad():
    features, features_test = encoder(task.x), encoder(task.x_held_out)
probe = nn.Linear(48, task.outputs)
optimizer = torch.optim.Adam(probe.parameters(), lr=0.01)
for _ in range(300):
    rows = torch.randint(len(features), (64,))
    loss = F.cross_entropy(probe(features[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    print(f"score {(probe(features_test).argmax(1) == task.y_held_out).float().mean():.4f}")
