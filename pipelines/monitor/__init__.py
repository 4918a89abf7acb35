"""Step `monitor`: drift of each scored day, and realised against promised measures."""
