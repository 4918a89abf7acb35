"""Online stores: one protocol and one module per database."""
