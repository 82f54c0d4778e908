"""Two tasks, two backward calls into the same gradients for each step, on purpose;
trips missing-zero-grad and accumulation rules.

control: two backward per step (19)
tasks: digits, cancer, wine
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn


class MultiTask(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.classify = nn.Linear(64, classes)
        self.reconstruct = nn.Linear(64, inputs)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = MultiTask(task.inputs, task.outputs)
cross_entropy, mse = nn.CrossEntropyLoss(), nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(400):
    rows = torch.randint(len(task.x), (50,))
    h = model.shared(task.x[rows])
    loss_class = cross_entropy(model.classify(h), task.y[rows])
    loss_picture = 0.5 * mse(model.reconstruct(h), task.x[rows])
    optimizer.zero_grad()
    loss_class.backward(retain_graph=True)
    loss_picture.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} classes {loss_class.item():.4f} reconstruction {loss_picture.item():.4f}")
model.eval()
with torch.no_grad():
    predicted = model.classify(model.shared(task.x_held_out)).argmax(1)
print(f"score {(predicted == task.y_held_out).float().mean().item():.4f}")
