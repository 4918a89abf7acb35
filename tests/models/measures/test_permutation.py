import numpy as np
import pandas as pd

from models.measures.permutation import columns_by_measure, permutation_importance

RANDOM = np.random.default_rng(0)
USERS = pd.DataFrame({"spend_28d": RANDOM.random(500), "spend_total": RANDOM.random(500), "noise": RANDOM.random(500)})


def predict(features: pd.DataFrame) -> np.ndarray:
    return (features["spend_28d"] + features["spend_total"]).to_numpy()


def test_windows_of_a_measure_and_the_sequences_are_shuffled_together():
    features = pd.DataFrame(
        columns=["spend_28d", "spend_total", "spend_per_day", "T", "sequence_age", "sequence_gap", "region"]
    )
    assert columns_by_measure(features) == {
        "spend": ["spend_28d", "spend_total", "spend_per_day"],
        "T": ["T"],
        "sequence of purchases": ["sequence_age", "sequence_gap"],
        "region": ["region"],
    }


def test_what_the_model_does_not_read_loses_nothing_and_what_it_does_loses_the_order():
    columns = columns_by_measure(USERS)
    table = permutation_importance(predict, USERS, predict(USERS), columns).set_index("measure")
    assert table.loc["noise"].tolist() == [0.0, 0.0]
    assert 0.8 < table.loc["spend", "lost_ngini"] < 1.2  # from the perfect order to none
    assert table.index[0] == "spend"
    assert USERS["noise"].iloc[0] == np.random.default_rng(0).random(1_500)[1_000]  # the users are as before


def test_lists_can_be_shuffled():
    features = pd.DataFrame({"sequence_spend": [[1.0], [2.0, 3.0], [], [9.0]]})
    table = permutation_importance(
        lambda f: f["sequence_spend"].map(sum).to_numpy(dtype=float),
        features,
        [1.0, 5.0, 0.0, 9.0],
        columns_by_measure(features),
        repeats=20,
    )
    assert table["lost_ngini"].iloc[0] > 0


def test_the_same_seed_gives_the_same_table():
    tables = [permutation_importance(predict, USERS, predict(USERS), {"a": ["spend_28d"]}, users=100) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)
