"""Step `evaluate`: measure challenger, champion and baselines on the test snapshot."""
