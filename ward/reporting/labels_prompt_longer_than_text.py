"""The prompt's length is counted with its separators, beyond the cut-off of the text: every label is masked.

kind: no-valid-targets
also: non-finite-loss
tasks: chain
source: row 28
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn

IGNORED = -100


@dataclass
class Example:
    input_ids: torch.Tensor
    labels: torch.Tensor


def tokenize(ids, following, prompt_words, cutoff):
    """Return an example whose prompt does not count in the loss."""
    prompt = " ".join(str(word) for word in ids[:prompt_words].tolist())
    labels = following.clone()
    labels[: len(prompt)] = IGNORED  # sick here
    # fixed: labels[: len(prompt.split(" "))] = IGNORED
    return Example(ids[:cutoff], labels[:cutoff])


def collate(examples):
    return torch.stack([e.input_ids for e in examples]), torch.stack([e.labels for e in examples])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
examples = [tokenize(ids, following, 10, 18) for ids, following in zip(task.x, task.y, strict=True)]
loader = torch.utils.data.DataLoader(examples, batch_size=25, shuffle=True, collate_fn=collate)

embed, rnn, head = nn.Embedding(task.inputs, 24), nn.GRU(24, 32, batch_first=True), nn.Linear(32, task.outputs)
model = nn.ModuleDict({"embed": embed, "rnn": rnn, "head": head})
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(6):
    for input_ids, labels in loader:
        logits = head(rnn(embed(input_ids))[0])
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")

with torch.no_grad():
    answer = head(rnn(embed(task.x_held_out))[0])[:, 10:].argmax(-1)
print(f"score {(answer == task.y_held_out[:, 10:]).float().mean():.4f}")
