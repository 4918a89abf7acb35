"""Names of the fairness measures that are tested, without importing SciPy, for pages."""

TESTED = ("bias", "ngini", "auc", "high_recall")
"""Fairness measures whose differences between groups are tested."""
