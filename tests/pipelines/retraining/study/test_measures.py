import numpy as np
import pytest

from pipelines.retraining.study.measures import objective, summarise


def test_the_objective_is_ngini_inside_the_guard_and_falls_linearly_outside():
    assert objective({"ngini": 0.5, "bias": 0.9}, 1.0) == 0.5
    assert objective({"ngini": 0.5, "bias": 2.0}, 1.0) == pytest.approx(0.4)
    assert objective({"ngini": 0.5, "bias": -0.8}, 0.5) == pytest.approx(0.47)
    assert objective({"ngini": 0.5, "bias": float("inf")}, 1.0) == -0.5


def test_temporal_folds_alone():
    values = summarise([{"ngini": 0.5, "bias": 0.0}, {"ngini": 0.7, "bias": 3.0}], [[], []], 1.0)
    assert values == pytest.approx(
        {
            "validation_ngini": 0.6,
            "validation_bias": 1.5,
            "validation_ngini_fold_1": 0.5,
            "validation_bias_fold_1": 0.0,
            "validation_ngini_fold_2": 0.7,
            "validation_bias_fold_2": 3.0,
            "validation_ngini_sd": np.sqrt(0.02),
            "validation_bias_sd": np.sqrt(4.5),
            "objective": (0.5 + 0.7 - 0.2) / 2,
        }
    )


def test_where_users_are_parted_the_mean_is_of_all_users_and_the_deviation_of_the_parts():
    parted = [[{"ngini": 0.4, "bias": 0.0}, {"ngini": 0.8, "bias": 0.0}]]
    values = summarise([{"ngini": 0.5, "bias": 0.0}], parted, 1.0)
    assert values["validation_ngini"] == values["validation_ngini_fold_1"] == values["objective"] == 0.5
    assert (values["validation_ngini_fold_1_users_1"], values["validation_ngini_fold_1_users_2"]) == (0.4, 0.8)
    assert values["validation_ngini_sd"] == pytest.approx(np.sqrt(0.08))


def test_one_fold_has_no_deviation():
    assert "validation_ngini_sd" not in summarise([{"ngini": 0.5, "bias": 0.0}], [[]], 1.0)
