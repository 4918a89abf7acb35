"""Scripts that measure Purse, each beside a peer."""
