"""By which measures slices of users are judged; here, not in `models.fairness`, for pages to read without SciPy."""

JUDGED = ("bias", "ngini", "auc", "high_recall")
"""Measures whose differences are tested."""
