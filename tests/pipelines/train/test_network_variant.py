"""The stored variant of a network is what is logged, and what the gate judges."""

import os
from dataclasses import replace

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from models import catalog
from models.networks.compression import Sparse
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split, Trained
from pipelines.tracking import logged_model
from pipelines.tracking.registry import CHAMPION, version_of
from pipelines.tracking.runs import connect
from tests.shops import retrain


@pytest.fixture
def network_shop(shop, snapshot_date, monkeypatch):
    """A shop with one family, a network alone, and one fold: building networks takes time."""
    monkeypatch.setitem(
        catalog.FAMILIES, "ziln", replace(catalog.FAMILIES["ziln"], fixed={"head": "ziln", "members": 1})
    )
    split = read_result(shop, snapshot_date, Split)
    write_result(shop, snapshot_date, split.model_copy(update={"folds": split.folds[:1]}))
    return shop.with_changes(sweep__families=["ziln"], sweep__trials=1, training__finalists=1)


def test_a_network_that_is_pruned_to_ruin_is_not_promoted(network_shop, snapshot_date):
    whole = retrain(network_shop, "2020-03-29-00000001")
    assert whole.outcome == "first_champion"
    ruined = network_shop.with_changes(
        training__network_variant="pruned", training__network_sparsity=0.999, promotion__min_ngini=-1.0
    )
    result = retrain(ruined, "2020-03-29-00000002")
    assert (result.outcome, result.promoted) == ("no_gain", False)
    assert result.numbers["ngini"] < whole.numbers["ngini"] - 0.1
    assert version_of(connect(ruined), "purchasing-power", CHAMPION) == "1"
    trained = read_result(ruined, snapshot_date, Trained)
    (network,) = (member.model for member in logged_model.load_model(ruined, trained.model).members)
    assert any(isinstance(weight, Sparse) for weight in network.weights[0])
