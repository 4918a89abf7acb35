"""Model families behind one protocol, how to measure them, and the blend that is deployed."""
