"""The shop that the guides load."""

import pytest

from tests.docs.bazaar import write_export


@pytest.fixture
def shop(tmp_path, settings):
    """The shop of the guide, with its export."""
    write_export(tmp_path)
    return settings.with_changes(source=str(tmp_path / "shop.yaml"), sweep__families=["ridge_rfm"])
