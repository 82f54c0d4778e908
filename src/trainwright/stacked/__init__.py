"""Many trials as one program: K models trained in lock step on the same batches, each as if it were alone."""
