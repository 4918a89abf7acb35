"""What the epochs of a trial's networks say: learning curves, and whether the trial is worth going on with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipelines.retraining.study.curves import mean_curves


@dataclass
class Epochs:
    """Watches the networks of one trial; see `EpochWatcher` of models.networks.

    Attributes:
        stops: takes an epoch (from 1) and its nGini and says whether to stop the trial; it is asked about the first
            member of the first fit only, which stands for the rest. None: nothing stops it.
        history: losses by network, each member of each fit, and epoch.
    """

    stops: Callable[[int, float], bool] | None = None
    history: list[list[Mapping[str, float]]] = field(default_factory=list)
    fits: int = 0

    def watch(self, member: int, epoch: int, values: Mapping[str, float]) -> None:
        """Note an epoch.

        Raises:
            TrialPruned: the trial is to be stopped.
        """
        import optuna

        self.fits += member == 0 and epoch == 0
        if epoch == 0:
            self.history.append([])
        self.history[-1].append(values)
        if self.stops and self.fits == 1 and member == 0 and self.stops(epoch + 1, values["validation_ngini"]):
            raise optuna.TrialPruned

    def means(self) -> dict[str, list[float]]:
        """See `mean_curves`."""
        return mean_curves(self.history)
