import numpy as np
import pytest

from models.first_model import Evidence, missing_proof
from models.measures.comparison import bias_error
from models.measures.metrics import relative_bias


def outcome(**changes):
    measures = {"ngini": 0.4, "ngini_error": 0.05, "validation_ngini": 0.4, "validation_error": 0.05}
    missing = missing_proof(Evidence(**measures | {"bias": 0.0, "bias_error": 0.1} | changes), 0.05, 0.25)
    return missing and missing[0]


@pytest.mark.parametrize("window", ["ngini", "validation_ngini"])
def test_the_lower_bound_counts_on_each_window(window):
    assert outcome(**{window: 0.151}) is None
    assert outcome(**{window: 0.149}) == "floor_unsure"


@pytest.mark.parametrize(
    ("bias", "error", "expected"),
    [
        (0.25, 0.0, None),
        (0.26, 0.0, "bias_too_large"),
        (-0.44, 0.1, None),  # a small shop is not refused for chance
        (0.46, 0.1, "bias_too_large"),
        (0.51, 5.0, "bias_too_large"),  # nor is one excused whose total is anything
        (0.50, float("inf"), None),
    ],
)
def test_the_bias_may_exceed_its_limit_by_its_error_up_to_twice_the_limit(bias, error, expected):
    assert outcome(bias=bias, bias_error=error) == expected


def test_the_standard_error_of_the_bias_is_that_of_a_bootstrap():
    random = np.random.default_rng(0)
    spend = random.lognormal(3, 1, 400) * (random.random(400) < 0.4)
    expected = spend.mean() * random.lognormal(0, 0.5, 400)
    samples = [random.integers(400, size=400) for _ in range(2_000)]
    drawn = np.std([relative_bias(spend[rows], expected[rows]) for rows in samples])
    assert bias_error(spend, expected) == pytest.approx(drawn, rel=0.1)


def test_without_spend_the_bias_is_unknown():
    assert bias_error([0.0, 0.0], [1.0, 2.0]) == float("inf")
