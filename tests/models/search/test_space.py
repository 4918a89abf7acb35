import pytest

from models import catalog
from models.search.space import SPACE, Slot, family_space, plan_slots


@pytest.mark.parametrize("family", SPACE)
def test_the_defaults_lie_in_the_space(family) -> None:
    assert set(SPACE) == set(catalog.FAMILIES)
    model = catalog.build(family, {}, seed=0, threads=1, horizon_days=28)
    for name, distribution in SPACE[family].items():
        default = getattr(model, name, "none")  # only models that have some have `btyd_features`
        assert distribution._contains(distribution.to_internal_repr(default)), f"{name}={default}"


def test_defaults_first_then_in_turn() -> None:
    slots = plan_slots(["ridge_rfm", "linear_rfm", "mlp"], 6)
    assert [(slot.family, slot.draw) for slot in slots] == [
        ("ridge_rfm", 0),
        ("linear_rfm", 0),
        ("mlp", 0),
        ("ridge_rfm", 1),
        ("mlp", 1),
        ("ridge_rfm", 2),
    ]


def test_every_family_gets_one_even_beyond_the_budget_and_none_a_second_of_nothing() -> None:
    assert plan_slots(["ridge_rfm", "mlp"], 1) == [Slot("ridge_rfm", 0), Slot("mlp", 0)]
    assert plan_slots(["mean", "linear_rfm"], 10) == [Slot("mean", 0), Slot("linear_rfm", 0)]


def test_families_that_share_a_name_do_not_share_a_parameter() -> None:
    assert family_space("mlp").keys().isdisjoint(family_space("ziln"))
    assert family_space("mlp")["mlp.layers"] is SPACE["mlp"]["layers"]


def test_unknown_family() -> None:
    with pytest.raises(ValueError, match="found 'xgboost'"):
        plan_slots(["xgboost"], 3)
