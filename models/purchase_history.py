"""What buy-till-you-die models are fitted to: frequency, recency and T of each customer."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import select

Floats = NDArray[np.float64]


class PurchaseHistory(NamedTuple):
    """Customers' histories, in the terms of Fader, Hardie & Lee (2005); three arrays of shape (customers,).

    Attributes:
        frequency: repeat purchase days, x; at least 0.
        recency: days from the first to the last purchase, t_x; 0 to T, and 0 without a repeat purchase.
        T: days from the first purchase to the snapshot; at least 0.
    """

    frequency: Floats
    recency: Floats
    T: Floats

    def distinct(self) -> tuple["PurchaseHistory", NDArray[np.intp]]:
        """Each history once, as customers with the same one get the same answer, and the index that restores all."""
        rows = pd.DataFrame(self._asdict())
        group = rows.groupby(list(rows), sort=False)
        return PurchaseHistory(*rows.drop_duplicates().to_numpy().T), group.ngroup().to_numpy().astype(np.intp)

    def without_recency(self) -> "PurchaseHistory":
        """The same with every t_x 0: what customers who are alive will do depends on x and T alone."""
        return self._replace(recency=np.zeros_like(self.T))


def purchase_history(features: pd.DataFrame) -> PurchaseHistory:
    """Read the histories of users from their features, in days; what cannot be is held at the nearest that can."""
    columns = select(features, ["frequency", "recency", "T"]).to_numpy(dtype=np.float64).T
    frequency, recency, tenure = np.clip(np.nan_to_num(columns), 0.0, 1e9)
    return PurchaseHistory(frequency, np.where(frequency > 0, np.minimum(recency, tenure), 0.0), tenure)
