"""The run folder: written once, append-only, readable by anyone while the run goes on."""
