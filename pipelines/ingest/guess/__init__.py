"""Propose a source file for files whose columns are not described anywhere."""
