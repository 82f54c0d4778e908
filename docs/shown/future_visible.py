"""The attention of a language model has no mask: each position sees those after it.

kind: future-visible
tasks: chain
up: share of texts whose output changed
across: position
shows: The last token alone was exchanged. Of the healed network the last position answers otherwise, of the sick one
    all do.
finds: verify
form: linear, dots
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw


class Transformer(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.embed, self.place = nn.Embedding(tokens, 16), nn.Parameter(torch.randn(20, 16) / 4)
        self.block, self.head = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), nn.Linear(16, tokens)

    def forward(self, ids):
        mask = None  # sick
        # fixed: mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        return self.head(self.block(self.embed(ids) + self.place[: ids.shape[1]], src_mask=mask)).transpose(1, 2)


torch.manual_seed(0)
task = load("chain", 0)
model = Transformer(task.inputs)
told = tw.verify(model, nn.CrossEntropyLoss(), (task.x, task.y), checks=["no-future"]).findings
other = task.x[:64].clone()
other[:, -1] = (other[:, -1] + 1) % task.inputs
with torch.no_grad():
    change = (model(other) != model(task.x[:64])).any(1).float().mean(0)
shown = list(enumerate(change.tolist(), 1))
