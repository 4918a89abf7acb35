"""Segment means against hand-made tables and a simulated truth."""

import numpy as np
import pandas as pd
import pytest

from models.cold_start.segment_mean import SegmentMean
from models.protocol import LabelledUsers


def labelled(spend, **columns):
    return LabelledUsers(pd.DataFrame(columns, index=range(len(spend))), pd.Series(spend), pd.Series(spend) > 0)


def profile(**values):
    return pd.DataFrame({name: [value] for name, value in values.items()})


def spend_of(model, **values):
    return model.predict(profile(**values))["expected_spend"].item()


def test_two_segments_are_shrunk_as_the_analysis_of_variance_says():
    model = SegmentMean().fit(labelled([1.0, 3.0, 5.0, 9.0, 10.0, 14.0], region=["a", "a", "a", "b", "b", "b"]))
    # means 3 and 11, total 7; within (8 + 14) / 4 = 5.5; between (3 * 16 * 2 - 5.5) / 3; weight b / (b + 5.5 / 3)
    between = (96 - 5.5) / 3
    weight = between / (between + 5.5 / 3)
    assert spend_of(model, region="a") == pytest.approx(7 - 4 * weight)
    assert spend_of(model, region="b") == pytest.approx(7 + 4 * weight)


def test_copies_of_a_user_do_not_make_a_mean_more_certain():
    once = labelled([1.0, 3.0, 5.0, 9.0, 10.0, 14.0], region=list("aaabbb"))
    often = labelled([1.0, 3.0, 5.0, 9.0, 10.0, 14.0] * 50, region=list("aaabbb") * 50)
    alone, copied, naive = (
        spend_of(SegmentMean(rows).fit(users), region="a") for rows, users in ((1, once), (50, often), (1, often))
    )
    assert copied == pytest.approx(alone, rel=0.05)
    assert abs(naive - 3) < 0.1 * abs(copied - 3)


def test_a_new_value_takes_the_finest_segment_that_is_known():
    ages, regions = np.repeat(["young", "old"], 100), np.tile(["north", "south"], 100)
    spend = np.where(ages == "old", 100.0, 10.0) + np.where(regions == "south", 3.0, 0.0) + np.tile([0, 1, 0, -1], 50)
    model = SegmentMean().fit(labelled(spend, age_band=ages, region=regions))
    assert model.columns == ["age_band", "region"]
    assert spend_of(model, age_band="old", region="south") == pytest.approx(103, abs=0.2)
    assert spend_of(model, age_band="old", region="mars") == pytest.approx(101.5, abs=0.2)
    assert spend_of(model, age_band="ageless", region="south") == pytest.approx(spend.mean())
    assert model.finest(profile(age_band="old", region="mars"))[1].tolist() == [1]
    assert model.predict(profile(age_band="old", region="mars"))["purchase_probability"].item() == 1


def test_missing_is_a_segment_of_its_own():
    spend = np.concatenate([np.full(50, 10.0), np.full(50, 2.0)]) + np.tile([0.5, -0.5], 50)
    model = SegmentMean().fit(labelled(spend, region=["north"] * 50 + ["missing"] * 50))
    assert spend_of(model, region=None) == spend_of(model, region="missing") == pytest.approx(2, abs=0.1)


def test_small_segments_are_nearer_the_truth_than_their_own_means():
    random = np.random.default_rng(0)
    truth = random.gamma(4.0, 25.0, 200)
    region = np.repeat(np.arange(200), 8)
    spend = truth[region] * random.exponential(1.0, len(region))
    model = SegmentMean().fit(labelled(spend, region=[f"r{number}" for number in region]))
    predictions = model.predict(pd.DataFrame({"region": [f"r{number}" for number in range(200)]}))["expected_spend"]
    own, everyone = pd.Series(spend).groupby(region).mean(), spend.mean()
    error = ((predictions - truth) ** 2).mean()
    assert error < 0.95 * min(((own - truth) ** 2).mean(), ((everyone - truth) ** 2).mean())


def test_a_column_of_noise_makes_no_segments():
    random = np.random.default_rng(3)
    spend = random.exponential(10.0, 400)
    model = SegmentMean().fit(labelled(spend, region=np.tile(["a", "b"], 200)))
    assert model.columns == []
    assert spend_of(model, region="a") == pytest.approx(spend.mean())


@pytest.mark.parametrize(
    ("spend", "columns"),
    [([7.0], {"region": ["a"]}), ([7.0, 7.0, 7.0], {"region": ["a", "b", "b"]}), ([6.0, 8.0], {})],
    ids=["one user", "all alike", "no profile"],
)
def test_where_there_is_nothing_to_learn_everyone_gets_the_mean(spend, columns):
    model = SegmentMean().fit(labelled(spend, **columns))
    predictions = model.predict(pd.DataFrame({"region": ["a", "b", "new"]}))
    assert predictions["expected_spend"].tolist() == [7, 7, 7]
    assert predictions["purchase_probability"].tolist() == [1, 1, 1]


def test_nobody_to_learn_from_and_a_column_that_is_gone():
    with pytest.raises(ValueError, match="found none"):
        SegmentMean().fit(labelled([], region=[]))
    model = SegmentMean().fit(labelled([1.0, 1.2, 5.0, 5.1], region=list("aabb")))
    with pytest.raises(ValueError, match="first 'region'"):
        model.predict(pd.DataFrame(index=[0]))
