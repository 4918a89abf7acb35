"""Step `build_features`: daily tables, and features of snapshots."""
