"""Simulated shop: users with a hidden budget, a catalogue, and every visit, order and return. No data is real."""
