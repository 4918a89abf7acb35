"""What the epochs of a trial's networks say: learning curves, and whether the trial is worth going on with."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipelines.curves import CURVES


@dataclass
class Epochs:
    """Watches the networks of one trial; see `EpochWatcher` of models.networks.

    Attributes:
        stops: takes an epoch (from 1) and its nGini and says whether to stop the trial; it is asked about the first
            member of the first fit only, which stands for the rest. None: nothing stops it.
        seen: by measure and epoch, what each member of each fit had.
    """

    stops: Callable[[int, float], bool] | None = None
    seen: dict[str, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    fits: int = 0

    def watch(self, member: int, epoch: int, values: Mapping[str, float]) -> None:
        """Note an epoch.

        Raises:
            TrialPruned: the trial is to be stopped.
        """
        import optuna

        self.fits += member == 0 and epoch == 0
        for name in CURVES:
            self.seen[name][epoch + 1].append(values[name])
        if self.stops and self.fits == 1 and member == 0 and self.stops(epoch + 1, values["validation_ngini"]):
            raise optuna.TrialPruned

    def means(self) -> dict[str, list[float]]:
        """By measure, its mean at each epoch over the members of all fits that got so far."""
        return {name: [float(np.mean(epochs[epoch])) for epoch in sorted(epochs)] for name, epochs in self.seen.items()}
