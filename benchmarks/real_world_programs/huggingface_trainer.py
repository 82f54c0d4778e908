"""Hugging Face Trainer: a small BERT from nothing on generated sentences, accumulating, with evaluations."""

import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

set_seed(0)
tokens = torch.randint(2, 30, (768, 12))
labels = (tokens[:, 1:4] > 15).sum(1).clamp(max=2)
rows = [
    {"input_ids": row, "attention_mask": torch.ones_like(row), "labels": label}
    for row, label in zip(tokens, labels, strict=True)
]
config = BertConfig(
    vocab_size=30,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
    num_labels=3,
)
model = BertForSequenceClassification(config)
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        num_train_epochs=3,
        per_device_train_batch_size=16,
        gradient_accumulation_steps=2,
        learning_rate=1e-3,
        warmup_steps=10,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows[:640], eval_dataset=rows[640:])
    trainer.train()
