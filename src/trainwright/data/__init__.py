"""From a file, an array or a name to deterministic splits and batches."""
