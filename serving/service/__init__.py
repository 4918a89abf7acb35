"""The running service: its state, deploys and rescoring."""
