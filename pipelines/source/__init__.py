"""Definition of a source: its YAML file and the shop's own validation rules."""
