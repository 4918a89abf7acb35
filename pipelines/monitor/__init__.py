"""Step `monitor`: drift of each scored day, and promised against realised."""
