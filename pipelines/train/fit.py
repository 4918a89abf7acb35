"""Fit the chosen members on the newest matured snapshots and put the model together that is logged and scores."""

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.definitions import FEATURES
from models.btyd.horizon import windows_in_horizon
from models.catalog import is_network
from models.level.forecast import Level
from models.protocol import LabelledUsers, SpendModel
from models.purchasing_power import Member, PurchasingPower, blended, build
from models.score import calibration, intervals
from models.score.blend import scales
from pipelines.results import read_result
from pipelines.retraining.fitting import build_model, unfitted_preprocessing
from pipelines.retraining.study import curves
from pipelines.retraining.study.trial import Predictions
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import Settings
from pipelines.train.cold_start import learn

log = logging.getLogger(__name__)


def fit(
    settings: Settings,
    snapshot_date: date,
    members: list[dict[str, Any]],
    out_of_time: tuple[Predictions, Predictions],
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
    preprocessing = unfitted_preprocessing(settings).fit(training.features)
    prepared = replace(training, features=preprocessing.transform(training.features))
    fitted = [
        Member(each["weight"], _fit_member(settings, split, each["family"], each["params"], prepared), each["family"])
        for each in members
    ]
    # who a score compares with: everyone at the newest matured snapshot; their labels are not looked at
    reference = read_labelled(settings, snapshot_date, [date.fromisoformat(split["test"])])[1].features
    known = preprocessing.transform(reference)
    fitted = _at_one_level(fitted, known)
    windows = windows_in_horizon(training, reference, split["label_days"], split["horizon_days"])
    # what deciles spent in a short label window says little about a long horizon
    shape = calibration.fit(*out_of_time) if split["label_days"] == split["horizon_days"] else calibration.fit([], [])
    calibrated = [shape.at_level(said, spend.sum()).apply(said) for said, spend in zip(*out_of_time, strict=True)]
    model = build(
        fitted,
        reference,
        horizon_days=split["horizon_days"],
        calibration=shape.at_level(blended(fitted, known)[0], level.expected),
        intervals=intervals.fit(
            calibrated,
            out_of_time[1],
            level.expected / len(reference),
            windows=windows,
            seed=settings.training.seed,
        ),
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares={"high": settings.scoring.high_share, "mid": settings.scoring.mid_share},
        top_reasons=settings.scoring.reasons,
        windows=windows,
        seed=settings.training.seed,
        threads=settings.training.threads,
        cold_start=learn(settings, snapshot_date, windows),
        preprocessing=preprocessing,
    )
    return model, reference.head(5)


def _at_one_level(members: list[Member], reference: pd.DataFrame) -> list[Member]:
    means = [float(member.model.predict(reference)["expected_spend"].mean()) for member in members]
    levels = scales(means, [member.weight for member in members])
    return [member._replace(scale=scale) for member, scale in zip(members, levels, strict=True)]


def checkpoints(settings: Settings, training_id: str) -> Path:
    """Where the networks of a training leave their checkpoints until it is complete."""
    return settings.home_path / "checkpoints" / training_id


def _fit_member(
    settings: Settings, split: dict[str, Any], family: str, params: dict[str, Any], training: LabelledUsers
) -> SpendModel:
    """A fitted member; a network resumes from its checkpoints, leaves its learning curves and is stored as wanted."""
    chosen, training_id = settings.training, split["training_id"]
    own = {"checkpoints": checkpoints(settings, training_id) / family} if is_network(family) else {}
    model: Any = build_model(settings, family, params | own, chosen.seed, split["label_days"]).fit(training)
    log.info("%s refitted on %d rows", family, len(training))
    if is_network(family):
        curves.log_curves(settings, training_id, family, params, model.history)
        model = model.compressed(chosen.network_variant, chosen.network_sparsity)
    return model
