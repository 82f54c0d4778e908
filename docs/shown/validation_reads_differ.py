"""The validation samples are augmented as those of training are, anew at every read.

kind: validation-reads-differ
tasks: blobs
up: validation loss of one and the same network
across: evaluation
shows: Nothing was trained between the evaluations; only the sick program's samples change.
finds: verify
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import trainwright as tw


class Points(Dataset):
    def __init__(self, x, y, noise):
        self.x, self.y, self.noise = x, y, noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place] + self.noise * torch.randn(8), self.y[place]


torch.manual_seed(0)
task = load("blobs", 0)
noise = 0.5  # sick
# fixed: noise = 0
validation = DataLoader(Points(task.x_held_out, task.y_held_out, noise), batch_size=50)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
data = (task.x, task.y)
told = tw.verify(model, "cross_entropy", data, validation=validation, checks=["validation-reads"]).findings
shown = []
for evaluation in range(1, 21):
    with torch.no_grad():
        losses = [F.cross_entropy(model(x), y) for x, y in validation]
    shown.append((evaluation, torch.stack(losses).mean().item()))
