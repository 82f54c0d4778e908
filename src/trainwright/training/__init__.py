"""One model in training: the step, the loop, evaluation, and what is kept."""
