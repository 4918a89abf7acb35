"""A live service for the attacks: the one of tests/serving."""

from tests.serving.conftest import client, home, serve

__all__ = ["client", "home", "serve"]
