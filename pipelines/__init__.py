"""One module per step, and all the I/O."""
