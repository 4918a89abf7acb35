"""Fit the chosen members on the newest matured snapshots and put the model together that is logged and scores."""

import logging
from datetime import date
from typing import Any

import pandas as pd

from features.definitions import FEATURES
from models import calibration, intervals
from models.level import Level
from models.purchasing_power import Member, PurchasingPower, blended, build
from pipelines import trials
from pipelines.cold_start import learn
from pipelines.results import read_result
from pipelines.settings import Settings
from pipelines.split import read_labelled

log = logging.getLogger(__name__)


def fit(
    settings: Settings,
    snapshot_date: date,
    members: list[dict[str, Any]],
    out_of_time: tuple[trials.Predictions, trials.Predictions],
    level: Level,
) -> tuple[PurchasingPower, pd.DataFrame]:
    """The fitted model and a few rows of its input.

    Args:
        settings: the settings.
        snapshot_date: of the retraining.
        members: family, weight and params of each.
        out_of_time: of each fold, what the blend said and what the users spent; calibration and intervals
            learn from it.
        level: forecast for the test snapshot, from the days before it.
    """
    split = read_result(settings, snapshot_date, "split")
    days = sorted(date.fromisoformat(day) for day in split["final"])
    training = read_labelled(settings, snapshot_date, days)[1]
    fitted = []
    for member in members:
        unfitted = trials.build_model(
            settings, member["family"], member["params"], settings.training.seed, split["label_days"]
        )
        fitted.append(Member(member["weight"], unfitted.fit(training), member["family"]))
        log.info("%s refitted on %d rows", member["family"], len(training))
    # who a score compares with: everyone at the newest matured snapshot; their labels are not looked at
    reference = read_labelled(settings, snapshot_date, [date.fromisoformat(split["test"])])[1].features
    horizon_ratio = split["horizon_days"] / split["label_days"]
    # what deciles spent in a short label window says little about a long horizon
    shape = calibration.fit(*out_of_time) if horizon_ratio == 1 else calibration.fit([], [])
    calibrated = [shape.at_level(said, spend.sum()).apply(said) for said, spend in zip(*out_of_time, strict=True)]
    model = build(
        fitted,
        reference,
        horizon_days=split["horizon_days"],
        calibration=shape.at_level(blended(fitted, reference)[0], level.expected),
        intervals=intervals.fit(
            calibrated,
            out_of_time[1],
            level.expected / len(reference),
            horizon_ratio=horizon_ratio,
            seed=settings.training.seed,
        ),
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares={"high": settings.scoring.high_share, "mid": settings.scoring.mid_share},
        top_reasons=settings.scoring.reasons,
        horizon_ratio=horizon_ratio,
        seed=settings.training.seed,
        threads=settings.training.threads,
        cold_start=learn(settings, snapshot_date),
    )
    return model, reference.head(5)
