"""A live service for the attacks: the one of tests/serving."""

from tests.serving.conftest import client, home, in_taipei, serve

__all__ = ["client", "home", "in_taipei", "serve"]
