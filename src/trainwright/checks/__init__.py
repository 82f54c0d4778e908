"""Checks that act on a model before it trains, with the same loss and data, and leave no footprint."""
