import numpy as np
import pandas as pd
import pytest

from features import definitions
from models.btyd.features import COLUMNS as BTYD_COLUMNS
from models.families.baselines import HistoryRate, Mean, PreviousWindow
from models.families.linear import RFM, WINDOWED_RFM
from models.protocol import LabelledUsers

FEATURES = pd.DataFrame(
    {
        "spend_14d": [7.0, -5.0],
        "purchase_days_14d": [1.0, 0.0],
        "spend_total": [40.0, 90.0],
        "purchase_days_total": [2.0, 3.0],
        "T": [5.0, 20.0],
    }
)
TRAINING = LabelledUsers(FEATURES.assign(T=[10.0, 4.0]), pd.Series([30.0, 0.0]), pd.Series([True, False]))


def test_mean() -> None:
    predictions = Mean().fit(TRAINING).predict(FEATURES)
    assert predictions.to_numpy().tolist() == [[15, 0.5], [15, 0.5]]


@pytest.mark.parametrize(("horizon_days", "spend"), [(14, 7.0), (21, 10.5)])
def test_previous_window_is_the_longest_within_the_horizon_and_scaled(horizon_days: int, spend: float) -> None:
    predictions = PreviousWindow(horizon_days).fit(TRAINING).predict(FEATURES)
    assert predictions["expected_spend"].tolist() == [spend, 0]  # net returns: expect nothing
    assert predictions["purchase_probability"].tolist() == pytest.approx([1 - np.exp(-horizon_days / 14), 0])


def test_previous_window_names_the_window_it_misses() -> None:
    with pytest.raises(ValueError, match="spend_28d"):
        PreviousWindow(28).predict(FEATURES)


def test_history_rate_divides_by_the_recorded_history_or_a_longer_tenure() -> None:
    predictions = HistoryRate(5, history_days=10).predict(FEATURES)
    assert predictions["expected_spend"].tolist() == pytest.approx([40 / 10 * 5, 90 / 20 * 5])
    assert HistoryRate(5).fit(TRAINING).history_days == 10
    assert predictions["purchase_probability"].tolist() == pytest.approx([1 - np.exp(-1), 1 - np.exp(-0.75)])


def test_columns_that_a_model_names_are_features() -> None:
    known = {feature.name for feature in definitions.FEATURES}.union(BTYD_COLUMNS["all"])
    assert known.issuperset({*RFM, *WINDOWED_RFM, *FEATURES.columns})
