"""Reference of monitoring, learned at training time."""
