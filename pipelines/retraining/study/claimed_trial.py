"""A claimed trial from its hyperparameters to its end in the study."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from pipelines.retraining.fitting import all_params, build_model
from pipelines.retraining.study import study
from pipelines.retraining.study.epochs import Epochs
from pipelines.retraining.study.trial import Fold, run_trial, save_predictions

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)


def run_claimed(sweep: study.Sweep, trial: "FrozenTrial", folds: list[Fold], label_days: int) -> None:
    """Run a claimed trial to its end: complete with its value and predictions, pruned, or failed with its error.

    Raises:
        UpdateFinishedTrialError: another process ended the trial meanwhile.
    """
    from optuna import TrialPruned
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    from models.networks.spend_network import SpendNetwork

    family, draw = study.key(trial)
    settings, given, began = sweep.settings, study.hyperparameters(trial), monotonic()
    epochs = Epochs()
    try:
        model = build_model(settings, family, given, settings.sweep.seed, label_days)
        params = all_params(model, family)
        if draw == 0:
            study.set_params(sweep, trial, {f"{family}.{name}": value for name, value in params.items()})
        if isinstance(model, SpendNetwork):
            epochs.stops = _judge(sweep, trial, model.epochs)
        predictions, measures = run_trial(settings, family, params, folds, label_days, epochs.watch)
    except TrialPruned:
        log.info("%s %d: stopped early", family, draw)
        measures = {"trial_seconds": monotonic() - began}
        study.end(sweep, trial, TrialState.PRUNED, measures=measures, curves=epochs.means(), all_params=params)
    except UpdateFinishedTrialError:  # a trial that has ended takes no error
        raise
    except Exception as error:  # one bad combination must not end the sweep; the error is kept with the trial
        log.warning("%s %d failed: %s", family, draw, error)
        study.end(sweep, trial, TrialState.FAIL, error=f"{type(error).__name__}: {error}"[:1000])
    else:
        save_predictions(sweep, trial, predictions)
        found = {"measures": measures, "curves": epochs.means(), "all_params": params}
        study.end(sweep, trial, TrialState.COMPLETE, measures["objective"], **found)
        log.info("%s %d: nGini %.4f", family, draw, measures["validation_ngini"])


def _judge(sweep: study.Sweep, trial: "FrozenTrial", epochs: int) -> Callable[[int, float], bool]:
    """What keeps the nGini of an epoch with the trial and says whether Hyperband stops it; never a family's default."""
    from models.search.draws import hyperband
    from models.search.space import family_space

    family, draw = study.key(trial)
    name = f"{sweep.settings.sweep.seed}:{family}"
    stops = hyperband(name, family_space(family), epochs, study.earlier_draws(sweep, trial))

    def judge(epoch: int, value: float) -> bool:
        study.report(sweep, trial, epoch, value)
        return stops(epoch, value) and draw > 0

    return judge
