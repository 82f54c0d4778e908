"""Trained networks at work: new data in, answers in the user's own terms out, and the forms that others can run."""
