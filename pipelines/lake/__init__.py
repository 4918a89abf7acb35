"""Delta tables: what they are called, how they are read, replaced and checked."""
