"""A small convolutional net under autocast and a GradScaler: clip_grad_value_ is called on the scaled gradients.

kind: clip-before-unscale
also: learning-rate-too-low
tasks: tiles, shapes
source: Pytorch-UNet#470
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class ConvNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return self.fc(x.amax(dim=(2, 3)))


def train_model(model, task, steps, batch_size=32, learning_rate=0.1, gradient_clipping=1.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.8)
    grad_scaler = torch.amp.GradScaler("cpu")
    model.train()
    for global_step in range(steps):
        pick = torch.randint(len(task.x), (batch_size,))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(task.x[pick]), task.y[pick])
        optimizer.zero_grad(set_to_none=True)
        grad_scaler.scale(loss).backward()
        # fixed: grad_scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clipping)  # here
        grad_scaler.step(optimizer)
        grad_scaler.update()
        if global_step % 40 == 0:
            print("step", global_step, "loss (batch)", round(loss.item(), 4))


if __name__ == "__main__":
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    net = ConvNet(task.inputs, task.outputs)
    train_model(net, task, steps=200)
    net.eval()
    with torch.no_grad():
        accuracy = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
    print(f"score {accuracy:.4f}")
