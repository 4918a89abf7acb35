"""Networks in the sweep: learning curves, and trials that Hyperband stops early."""

from dataclasses import replace

import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

from models import catalog
from models.search import draws
from pipelines import sweep
from pipelines.retraining.study import finish, study
from pipelines.retraining.study.epochs import Epochs
from pipelines.tracking.runs import connect, find_runs

TRAINING_ID = "2020-03-29-00000001"
GOOD = {"units": 32, "layers": 1, "dropout": 0.0, "learning_rate": 2e-3, "weight_decay": 1e-2}


def curves(shop, run):
    client = connect(shop)
    names = ("curve_loss", "curve_validation_loss", "curve_validation_ngini")
    return {name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in names}


def test_a_bad_network_is_stopped_early_and_a_default_is_not(shop, snapshot_date, monkeypatch):
    """What is drawn after the defaults learns nothing; of eight epochs, Hyperband looks at the first or the third."""
    eight = replace(catalog.FAMILIES["ziln"], fixed={"head": "ziln", "epochs": 8})
    monkeypatch.setitem(catalog.FAMILIES, "ziln", eight)
    bad = {f"ziln.{name}": value for name, value in (GOOD | {"learning_rate": 1e-12}).items()}
    monkeypatch.setattr(draws, "draw_parameters", lambda *_: bad)
    read_folds = finish.read_folds
    monkeypatch.setattr(finish, "read_folds", lambda *arguments: read_folds(*arguments)[1:])  # one fold is quicker
    shop = shop.with_changes(sweep__families=["ziln"], sweep__trials=3, sweep__seconds=600)
    sweep.plan(shop, snapshot_date)
    result = sweep.work(shop, snapshot_date, "worker-1", "networks")
    opened = study.open_sweep(shop, TRAINING_ID)
    default, *others = opened.trials()
    assert default.state == TrialState.COMPLETE
    assert {trial.state for trial in others} == {TrialState.PRUNED}
    assert {trial.last_step for trial in others} <= {1, 3}
    assert (result.completed, result.pruned) == (1, 2)
    assert [study.key(trial) for trial in study.best_by_family(opened)] == [("ziln", 0)]

    found = find_runs(connect(shop), shop, "trial", TRAINING_ID)
    runs = {int(run.data.params["draw"]): run for run in found}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert [runs[draw].data.tags.get("pruned") for draw in range(3)] == [None] + [str(t.last_step) for t in others]
    for draw, run in runs.items():
        assert {tuple(step for step, _ in curve) for curve in curves(shop, run).values()} == {
            tuple(range(1, 9 if draw == 0 else others[draw - 1].last_step + 1))
        }

    sweep.plan(shop, snapshot_date)
    assert sweep.work(shop, snapshot_date, "worker-1").completed == 0  # what was stopped is not tried again


def test_curves_are_means_over_members_and_the_first_member_of_the_first_fit_is_judged():
    asked = []
    epochs = Epochs(lambda epoch, value: asked.append((epoch, value)))
    for fit in range(2):
        for member in range(2):
            for epoch in range(2 if member else 1):
                level = 4 * fit + 2 * member + epoch
                epochs.watch(member, epoch, {"loss": level, "validation_loss": 1.0, "validation_ngini": level / 10})
    assert epochs.means()["loss"] == [(0 + 2 + 4 + 6) / 4, (3 + 7) / 2]
    assert asked == [(1, 0.0)]


def test_what_is_judged_bad_ends_the_fit():
    values = {"loss": 1.0, "validation_loss": 1.0, "validation_ngini": 0.1}
    with pytest.raises(TrialPruned):
        Epochs(lambda _, value: value < 0.2).watch(0, 0, values)
    Epochs().watch(0, 0, values)
