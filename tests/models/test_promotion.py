import math
from dataclasses import replace

import pytest

from models.first_model import Evidence
from models.promotion import Gain, Gate, Metrics, NoChampion, Unusable, decide

GATE = Gate(min_ngini=0.05, max_abs_bias=1.0, confidence=0.9, max_slice_loss=0.05, max_first_bias=0.25)
CHAMPION = Metrics(ngini=0.50, bias=0.0)
BETTER = Gain(estimate=0.02, standard_error=0.005, better_share=0.99)
APPROVE = "purse promote --snapshot-date 2020-03-29 --replace-unusable"
UNSURE = [Gain(0.02, 0.02, 0.89), Gain(0.0, 0.01, 0.95), Gain(-0.02, 0.01, 0.02), Gain(math.nan, math.nan, math.nan)]
FIRST = NoChampion(
    {"linear_rfm": Gain(0.01, 0.01, 0.8), "history_rate": BETTER, "mean": Gain(0.4, 0.02, 1.0)},
    best="linear_rfm",
    stand_in="history_rate",
)
EVIDENCE = Evidence(0.4, 0.05, 0.4, 0.05, bias=0.1, bias_error=0.1)
PROVEN = Metrics(0.4, 0.1, evidence=EVIDENCE)
BASELINE = Metrics(ngini=0.35, bias=0.0, baseline="history_rate")
UNSURE_IDS = ["too unsure", "no difference", "worse", "not a number"]


def outcome(challenger: Metrics, champion: Metrics | Unusable | NoChampion = CHAMPION) -> str:
    return decide(challenger, champion, GATE).outcome


def unusable(gain: Gain) -> Unusable:
    return Unusable("7", "it predicts 14 days", "linear_rfm", gain, APPROVE)


def test_the_first_model_becomes_champion_and_names_its_gain_over_each_baseline():
    decision = decide(PROVEN, FIRST, GATE)
    assert (decision.outcome, decision.promoted) == ("first_champion", True)
    parts = ("0.4000 ± 0.0500", "linear_rfm +0.0100 ± 0.0100", "history_rate +0.0200 ± 0.0050", "mean +0.4000 ± 0.0200")
    assert all(part in decision.description for part in parts)


@pytest.mark.parametrize("champion", [FIRST, BASELINE], ids=["no champion", "a baseline is champion"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ngini_error": 0.18}, "floor_unsure"),
        ({"validation_ngini": 0.14}, "floor_unsure"),
        ({"validation_error": math.nan}, "floor_unsure"),
        ({"bias": 0.84, "bias_error": 0.5}, "bias_too_large"),
        ({"bias": -0.4, "bias_error": 0.05}, "bias_too_large"),
    ],
)
def test_a_first_model_needs_proof(champion, changes, expected):
    challenger = replace(PROVEN, gain=BETTER, evidence=replace(EVIDENCE, **changes))
    decision = decide(challenger, champion, GATE)
    assert (decision.outcome, decision.promoted) == (expected, False)
    assert "required: " in decision.description


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (Gain(-0.010, 0.01, 0.2), "first_champion"),
        (Gain(-0.011, 0.01, 0.1), "behind_baseline"),
        (Gain(math.nan, math.nan, math.nan), "behind_baseline"),
    ],
)
def test_a_first_model_may_be_a_standard_error_behind_the_best_baseline(gain, expected):
    first = replace(FIRST, gains={**FIRST.gains, "linear_rfm": gain})
    assert decide(PROVEN, first, GATE).outcome == expected


@pytest.mark.parametrize("gain", UNSURE, ids=UNSURE_IDS)
def test_a_first_model_must_beat_the_baseline_that_would_score_otherwise(gain):
    first = replace(FIRST, gains={**FIRST.gains, "history_rate": gain})
    decision = decide(PROVEN, first, GATE)
    assert (decision.outcome, decision.promoted) == ("baseline_unbeaten", False)
    assert "history_rate" in decision.description
    assert decide(PROVEN, replace(first, stand_in=None), GATE).outcome == "first_champion"


def test_a_proven_model_that_beats_a_baseline_replaces_it():
    decision = decide(replace(PROVEN, gain=BETTER), BASELINE, GATE)
    assert decision.outcome == "better"
    assert "baseline history_rate" in decision.description
    assert decide(replace(PROVEN, gain=UNSURE[0]), BASELINE, GATE).outcome == "no_gain"


def test_a_first_model_without_standard_errors_is_an_error():
    with pytest.raises(ValueError, match="purse evaluate"):
        decide(Metrics(0.4, 0.1), FIRST, GATE)


def test_a_sure_gain_is_promoted_and_says_its_numbers():
    decision = decide(Metrics(0.52, 0.1, BETTER), CHAMPION, GATE)
    assert (decision.outcome, decision.promoted) == ("better", True)
    assert all(number in decision.description for number in ("0.5200", "0.5000", "+0.0200", "0.0050", "99%"))


@pytest.mark.parametrize("gain", UNSURE, ids=UNSURE_IDS)
def test_without_a_sure_gain_the_champion_stays(gain):
    assert outcome(Metrics(0.52, 0.0, gain)) == "no_gain"


def test_the_confidence_itself_is_enough():
    assert outcome(Metrics(0.52, 0.0, Gain(0.02, 0.01, 0.9))) == "better"


@pytest.mark.parametrize("champion", [FIRST, CHAMPION, unusable(BETTER)])
@pytest.mark.parametrize(("ngini", "bias"), [(0.04, 0.0), (0.6, 1.1), (0.6, -1.1), (math.nan, 0.0), (0.6, math.inf)])
def test_below_the_floor_nothing_is_promoted(champion, ngini, bias):
    decision = decide(Metrics(ngini, bias, BETTER), champion, GATE, approved=True)
    assert (decision.outcome, decision.promoted) == ("below_floor", False)


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


def test_an_unusable_champion_stays_until_a_person_approves():
    decision = decide(Metrics(0.52, 0.1), unusable(BETTER), GATE)
    assert (decision.outcome, decision.promoted) == ("champion_unusable", False)
    predictions = ("champion version 7", "it predicts 14 days", "linear_rfm", "+0.0200", "99%", f"'{APPROVE}'")
    assert all(part in decision.description for part in predictions)


def test_an_approved_challenger_replaces_an_unusable_champion_under_a_name_of_its_own():
    decision = decide(Metrics(0.52, 0.1), unusable(BETTER), GATE, approved=True)
    assert (decision.outcome, decision.promoted) == ("champion_replaced", True)
    assert all(part in decision.description for part in ("champion version 7", "it predicts 14 days", "approved"))


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("gain", UNSURE, ids=UNSURE_IDS)
def test_no_approval_replaces_a_sure_gain_over_the_baselines(gain, approved):
    decision = decide(Metrics(0.52, 0.1), unusable(gain), GATE, approved=approved)
    assert (decision.outcome, decision.promoted) == ("champion_unusable", False)
    assert APPROVE not in decision.description


def test_approval_is_only_about_unusable_champions():
    assert decide(Metrics(0.52, 0.0, UNSURE[0]), CHAMPION, GATE, approved=True).outcome == "no_gain"
    assert decide(PROVEN, FIRST, GATE, approved=True).outcome == "first_champion"
