import math

import pytest

from pipelines.promote import Gain, Gate, Metrics, decide

GATE = Gate(min_ngini=0.05, max_abs_bias=1.0, confidence=0.9, max_slice_loss=0.05)
CHAMPION = Metrics(ngini=0.50, bias=0.0)
BETTER = Gain(estimate=0.02, standard_error=0.005, better_share=0.99)


def outcome(challenger: Metrics, champion: Metrics | None = CHAMPION) -> str:
    return decide(challenger, champion, GATE).outcome


def test_the_first_model_becomes_champion():
    decision = decide(Metrics(0.4, 0.1), None, GATE)
    assert (decision.outcome, decision.promoted) == ("first_champion", True)


def test_a_sure_gain_is_promoted_and_says_its_numbers():
    decision = decide(Metrics(0.52, 0.1, BETTER), CHAMPION, GATE)
    assert (decision.outcome, decision.promoted) == ("better", True)
    assert all(number in decision.description for number in ("0.5200", "0.5000", "+0.0200", "0.0050", "99%"))


@pytest.mark.parametrize(
    "gain",
    [Gain(0.02, 0.02, 0.89), Gain(0.0, 0.01, 0.95), Gain(-0.02, 0.01, 0.02)],
    ids=["too unsure", "no difference", "worse"],
)
def test_without_a_sure_gain_the_champion_stays(gain):
    assert outcome(Metrics(0.52, 0.0, gain)) == "no_gain"


def test_the_confidence_itself_is_enough():
    assert outcome(Metrics(0.52, 0.0, Gain(0.02, 0.01, 0.9))) == "better"


@pytest.mark.parametrize("champion", [None, CHAMPION])
@pytest.mark.parametrize(("ngini", "bias"), [(0.04, 0.0), (0.6, 1.1), (0.6, -1.1), (math.nan, 0.0), (0.6, math.inf)])
def test_below_the_floor_nothing_is_promoted(champion, ngini, bias):
    assert outcome(Metrics(ngini, bias, BETTER), champion) == "below_floor"


def test_a_slice_that_loses_beyond_its_noise_stops_the_promotion():
    lost = {"region=a": Gain(-0.09, 0.01, 0.0)}
    decision = decide(Metrics(0.52, 0.0, BETTER, lost), CHAMPION, GATE)
    assert decision.outcome == "worse_on_slice"
    assert "region=a" in decision.description


@pytest.mark.parametrize("part", [Gain(-0.09, 0.03, 0.1), Gain(-0.05, 0.0, 0.0)], ids=["noisy", "allowed"])
def test_a_slice_that_loses_little_or_unsurely_does_not(part):
    assert outcome(Metrics(0.52, 0.0, BETTER, {"region=a": part})) == "better"


def test_a_champion_needs_a_comparison():
    with pytest.raises(ValueError, match="purse evaluate"):
        decide(Metrics(0.52, 0.0), CHAMPION, GATE)
