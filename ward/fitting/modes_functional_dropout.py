"""F.dropout is called without the training flag and drops units in evaluation too.

kind: dropout-always-on
tasks: digits, blobs, rings
source: PyTorchNLPBook#28
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class MultilayerPerceptron(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x_in):
        intermediate = F.relu(self.fc1(x_in))
        intermediate = F.dropout(intermediate, p=0.7)  # sick here
        # fixed: intermediate = F.dropout(intermediate, p=0.7, training=self.training)
        return self.fc2(intermediate)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
classifier = MultilayerPerceptron(task.inputs, 48, task.outputs)
optimizer = torch.optim.Adam(classifier.parameters(), lr=3e-3)
loss_func = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()

for epoch_index in range(20):
    classifier.train()
    for batch in torch.randperm(len(task.x)).split(64):
        optimizer.zero_grad()
        loss = loss_func(classifier(task.x[batch]), task.y[batch])
        loss.backward()
        optimizer.step()
    classifier.eval()
    with torch.no_grad():
        valid_loss = loss_func(classifier(task.x_held_out), task.y_held_out).item()
    if epoch_index % 5 == 0:
        print(f"epoch {epoch_index} train {loss.item():.4f} valid {valid_loss:.4f}")
print(f"score {-loss_func(classifier(task.x_held_out), task.y_held_out).item():.4f}")
