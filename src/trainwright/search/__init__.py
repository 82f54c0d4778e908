"""The search for hyperparameters: spaces, samplers, rounds from coarse to fine, halving, and studies on disk."""
