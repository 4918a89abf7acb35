"""Run a claimed trial and record its end in the study."""

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
    """Run a claimed trial and record it as complete (value, predictions), pruned, or failed (error).

    Raises:
        UpdateFinishedTrialError: another process ended the trial in the meantime.
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
            epochs.stops = _stopping_rule(sweep, trial, model.epochs)
        predictions, measures = run_trial(settings, family, params, folds, label_days, epochs.watch)
    except TrialPruned:
        log.info("%s %d: stopped early", family, draw)
        measures = {"trial_seconds": monotonic() - began}
        study.end(sweep, trial, TrialState.PRUNED, measures=measures, curves=epochs.means(), all_params=params)
    except UpdateFinishedTrialError:  # an ended trial can't take an error
        raise
    except Exception as error:  # one bad combination must not end the sweep; the trial stores its error
        log.warning("%s %d failed: %s", family, draw, error)
        study.end(sweep, trial, TrialState.FAIL, error=f"{type(error).__name__}: {error}"[:1000])
    else:
        save_predictions(sweep, trial, predictions)
        attributes = {"measures": measures, "curves": epochs.means(), "all_params": params}
        study.end(sweep, trial, TrialState.COMPLETE, measures["objective"], **attributes)
        log.info("%s %d: nGini %.4f", family, draw, measures["validation_ngini"])


def _stopping_rule(sweep: study.Sweep, trial: "FrozenTrial", epochs: int) -> Callable[[int, float], bool]:
    """Build the callback that stores an epoch's nGini and applies Hyperband; it never stops a family's default."""
    from models.search.draws import hyperband
    from models.search.space import family_space

    family, draw = study.key(trial)
    name = f"{sweep.settings.sweep.seed}:{family}"
    prunes = hyperband(name, family_space(family), epochs, study.earlier_draws(sweep, trial))

    def stops(epoch: int, value: float) -> bool:
        study.report(sweep, trial, epoch, value)
        return prunes(epoch, value) and draw > 0

    return stops
