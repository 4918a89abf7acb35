"""Client and keys of the live service."""
