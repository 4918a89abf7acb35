"""A simulated shop: users with a hidden budget, a catalogue, and every visit, order and return. None of it is real."""
