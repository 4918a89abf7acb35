"""Scripts that measure Purse, most of them beside a peer."""
