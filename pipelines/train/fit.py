"""Fit the chosen members on the newest matured snapshots and put the model together that is logged and scores."""

import logging
from dataclasses import replace
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
from pipelines.results.training import MemberChoice, Split
from pipelines.retraining.fitting import build_model, unfitted_preprocessing
from pipelines.retraining.study import curves
from pipelines.retraining.study.trial import Predictions
from pipelines.retraining.training_set import Labelled
from pipelines.settings import Settings
from pipelines.train.cold_start import learn

log = logging.getLogger(__name__)


def fit(
    settings: Settings,
    split: Split,
    members: list[MemberChoice],
    out_of_time: tuple[Predictions, Predictions],
    level: Level,
    labelled: Labelled,
    reference: pd.DataFrame,
) -> PurchasingPower:
    """Fit the chosen members and put the model together.

    Args:
        settings: the settings.
        split: of the retraining.
        members: of the blend.
        out_of_time: by fold, the blend's predictions and the true spend; calibration and intervals learn from it.
        level: forecast for the test snapshot, from the days before it.
        labelled: users of the final snapshots.
        reference: features of everyone at the newest matured snapshot, with whom a score compares.
    """
    training = labelled.users
    preprocessing = unfitted_preprocessing(settings).fit(training.features)
    prepared = replace(training, features=preprocessing.transform(training.features))
    fitted = [Member(each.weight, _fit_member(settings, split, each, prepared), each.family) for each in members]
    known = preprocessing.transform(reference)
    fitted = _at_one_level(fitted, known)
    windows = windows_in_horizon(training, reference, split.label_days, split.horizon_days)
    # what deciles spent in a short label window says little about a long horizon
    shape = calibration.fit(*out_of_time) if split.label_days == split.horizon_days else calibration.fit([], [])
    calibrated = [shape.at_level(said, spend.sum()).apply(said) for said, spend in zip(*out_of_time, strict=True)]
    return build(
        fitted,
        reference,
        horizon_days=split.horizon_days,
        calibration=shape.at_level(blended(fitted, known)[0], level.expected),
        intervals=intervals.fit(
            calibrated,
            out_of_time[1],
            level.expected / len(reference),
            windows=windows,
            seed=settings.training.seed,
        ),
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares=settings.scoring.tier_shares,
        top_reasons=settings.scoring.reasons,
        windows=windows,
        seed=settings.training.seed,
        threads=settings.training.threads,
        cold_start=learn(settings, split, windows),
        preprocessing=preprocessing,
    )


def _at_one_level(members: list[Member], reference: pd.DataFrame) -> list[Member]:
    means = [float(member.model.predict(reference)["expected_spend"].mean()) for member in members]
    levels = scales(means, [member.weight for member in members])
    return [member._replace(scale=scale) for member, scale in zip(members, levels, strict=True)]


def checkpoints(settings: Settings, training_id: str) -> Path:
    """Where the networks of a training leave their checkpoints until it is complete."""
    return settings.home_path / "checkpoints" / training_id


def _fit_member(settings: Settings, split: Split, choice: MemberChoice, training: LabelledUsers) -> SpendModel:
    """A fitted member; a network resumes from its checkpoints, leaves its learning curves and is stored as wanted."""
    chosen, training_id, family = settings.training, split.training_id, choice.family
    own = {"checkpoints": checkpoints(settings, training_id) / family} if is_network(family) else {}
    model: Any = build_model(settings, family, choice.params | own, chosen.seed, split.label_days).fit(training)
    log.info("%s refitted on %d rows", family, len(training))
    if is_network(family):
        curves.log_curves(settings, training_id, family, choice.params, model.history)
        model = model.compressed(chosen.network_variant, chosen.network_sparsity)
    return model
