"""Spend models: families behind one protocol, measures of their quality, and the blend that is deployed."""
