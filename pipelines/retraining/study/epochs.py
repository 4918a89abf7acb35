"""Collect learning curves of a trial's networks and prune the trial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipelines.retraining.study.curves import mean_curves


@dataclass
class Epochs:
    """Watcher of the networks of one trial; see `EpochWatcher` in models.networks.

    Attributes:
        stops: takes an epoch (from 1) and its nGini; True prunes the trial. Called for the first member of the first
            fit only. None: the trial is never pruned.
        history: losses by network (each member of each fit) and epoch.
    """

    stops: Callable[[int, float], bool] | None = None
    history: list[list[Mapping[str, float]]] = field(default_factory=list)
    fits: int = 0

    def watch(self, member: int, epoch: int, values: Mapping[str, float]) -> None:
        """Record the losses of an epoch.

        Raises:
            TrialPruned: `stops` returned True.
        """
        import optuna

        self.fits += member == 0 and epoch == 0
        if epoch == 0:
            self.history.append([])
        self.history[-1].append(values)
        if self.stops and self.fits == 1 and member == 0 and self.stops(epoch + 1, values["validation_ngini"]):
            raise optuna.TrialPruned

    def means(self) -> dict[str, list[float]]:
        """Mean learning curves; see `mean_curves`."""
        return mean_curves(self.history)
