from optuna.trial import TrialState

from pipelines import sweep
from pipelines.retraining.study import study
from pipelines.retraining.study.trial_runs import log_trial
from pipelines.tracking.runs import connect, find_runs


def test_more_measures_than_mlflow_takes_at_once_are_all_logged(shop, snapshot_date):
    """8 folds in time by 8 of users have 1,110 measures; a learning curve has a value an epoch."""
    planned = sweep.plan(shop, snapshot_date)
    opened = study.open_sweep(shop, planned.study)
    trial = study.claim(opened, "worker-1", lambda waiting: waiting[0])
    measures = {f"measure_{number}": float(number) for number in range(1110)}
    found = {"measures": measures, "curves": {"loss": [0.5] * 1001}}
    study.end(opened, trial, TrialState.COMPLETE, 0.5, **found)
    client = connect(shop)
    log_trial(client, opened, planned.run_id, study.reread(opened, trial))
    (run,) = find_runs(client, shop, "trial", planned.study)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == measures | {"curve_loss": 0.5}
    assert len(client.get_metric_history(run.info.run_id, "curve_loss")) == 1001
