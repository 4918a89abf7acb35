"""One file for each kind of online store."""
