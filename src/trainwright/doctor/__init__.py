"""Judges a chart: pure functions from what was measured to findings. Nothing here measures."""
