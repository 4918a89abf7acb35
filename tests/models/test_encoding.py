import numpy as np
import pandas as pd
import pytest

from models.encoding import DenseEncoder, TreeEncoder

FRAME = pd.DataFrame(
    {"T": [1.0, 2, 3], "spend_total": [9.0, 9, 9], "spend_28d": [0.0, np.e - 1, np.nan], "region": ["b", "a", "b"]}
)


def test_what_grows_with_the_history_is_left_out() -> None:
    names = [
        "T",
        "recency",
        "frequency",
        "spend_total",
        "purchase_days_total",
        "spend_28d",
        "total_share",
        "purchase_days_7d",
    ]
    encoder = TreeEncoder().fit(pd.DataFrame({name: [1.0] for name in names}))
    assert encoder.columns == ["spend_28d", "total_share", "purchase_days_7d"]


def test_trees_see_codes_and_unseen_categories_as_unknown() -> None:
    encoder = TreeEncoder().fit(FRAME)
    later = pd.DataFrame({"region": ["a", "b", "mars"], "spend_28d": [1.0, 2, np.nan]})
    np.testing.assert_array_equal(encoder.transform(later), [[1, 0], [2, 1], [np.nan, np.nan]])


def test_dense_by_hand() -> None:
    encoder = DenseEncoder().fit(FRAME)  # logs 0 and 1: mean .5, deviation .5
    np.testing.assert_allclose(encoder.transform(FRAME), [[-1, 0, 1], [1, 1, 0], [0, 0, 1]])


def test_dense_holds_far_values_and_ignores_unseen_categories() -> None:
    encoder = DenseEncoder().fit(FRAME)
    far = pd.DataFrame({"spend_28d": [1e12, -1e12], "region": ["mars", "a"]})
    np.testing.assert_allclose(encoder.transform(far), [[5, 0, 0], [-5, 1, 0]])


def test_a_constant_and_an_unknown_column_become_zero() -> None:
    frame = pd.DataFrame({"constant": [3.0, 3.0], "unknown": [np.nan, np.nan]})
    np.testing.assert_array_equal(DenseEncoder().fit(frame).transform(frame), np.zeros((2, 2)))


def test_a_missing_feature_is_named() -> None:
    encoder = TreeEncoder().fit(FRAME)
    with pytest.raises(ValueError, match="first 'region'"):
        encoder.transform(FRAME.drop(columns="region"))


def test_none_of_the_wanted_features() -> None:
    with pytest.raises(ValueError, match="at least one of the features"):
        DenseEncoder(only=("spend_7d",)).fit(FRAME)
