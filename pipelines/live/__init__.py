"""The live service as steps see it."""
