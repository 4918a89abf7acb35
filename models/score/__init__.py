"""Steps from a blend of predictions to spend, score, tier and reasons."""
