"""Results of the steps: frozen types, read and written as one small JSON file per snapshot and step."""
