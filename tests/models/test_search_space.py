import pytest

from models import catalog
from models.search_space import SPACE, plan_trials


def test_every_family_has_a_space_and_every_draw_can_be_built() -> None:
    assert set(SPACE) == set(catalog.FAMILIES)
    for trial in plan_trials(list(SPACE), 40, seed=0):
        model = catalog.build(trial.family, trial.params, seed=0, threads=1, horizon_days=28)
        # `btyd_features` is an attribute only of models that have some
        assert {name: getattr(model, name, "none") for name in SPACE[trial.family]}.items() >= trial.params.items()


def test_defaults_first_then_in_turn() -> None:
    plan = plan_trials(["ridge_rfm", "linear_rfm", "mlp"], 6, seed=0)
    assert [(trial.family, trial.draw) for trial in plan] == [
        ("ridge_rfm", 0),
        ("linear_rfm", 0),
        ("mlp", 0),
        ("ridge_rfm", 1),
        ("mlp", 1),
        ("ridge_rfm", 2),
    ]
    assert [trial.params for trial in plan[:3]] == [{}, {}, {}]


def test_every_family_gets_one_even_beyond_the_budget_and_none_a_second_of_nothing() -> None:
    assert len(plan_trials(["ridge_rfm", "mlp"], 1, seed=0)) == 2
    assert len(plan_trials(["mean", "linear_rfm"], 10, seed=0)) == 2


def test_the_plan_depends_on_the_seed_alone_and_not_on_other_families() -> None:
    alone = [t for t in plan_trials(["mlp"], 3, seed=0) if t.family == "mlp"]
    among = [t for t in plan_trials(["ridge_rfm", "mlp"], 6, seed=0) if t.family == "mlp"]
    assert alone == among
    assert alone != plan_trials(["mlp"], 3, seed=1)


def test_unknown_family() -> None:
    with pytest.raises(ValueError, match="found 'xgboost'"):
        plan_trials(["xgboost"], 3, seed=0)
