"""The command line, above everything: it alone knows the steps."""
