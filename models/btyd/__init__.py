"""Buy-till-you-die (BTYD) models: BG/NBD, Pareto/NBD and Gamma-Gamma."""
