"""Fit the chosen members on the newest matured snapshots and assemble the model that is logged and used for scoring."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from features.definitions import FEATURES
from models.btyd.horizon import windows_in_horizon
from models.catalog import is_network
from models.level.forecast import Level
from models.preprocessing import Preprocessing
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
    """Fit the chosen members and assemble the model.

    Args:
        settings: the settings.
        split: result of step `split`.
        members: members of the blend.
        out_of_time: the blend's predictions and the true spend, by fold; calibration and intervals are fitted on them.
        level: forecast of total spend at the test snapshot, from the days before it.
        labelled: labelled users of the final snapshots.
        reference: features of all users at the newest matured snapshot; a score is a percentile rank among them.
    """
    training = labelled.users
    preprocessing = unfitted_preprocessing(settings).fit(training.features)
    prepared = replace(training, features=preprocessing.transform(training.features))
    fitted = [
        Member(choice.weight, _fit_member(settings, split, choice, prepared), choice.family) for choice in members
    ]
    prepared_reference = preprocessing.transform(reference)
    fitted = _at_one_level(fitted, prepared_reference)
    return assemble(settings, split, fitted, out_of_time, level, labelled, reference, preprocessing)


def assemble(
    settings: Settings,
    split: Split,
    members: list[Member],
    out_of_time: tuple[Predictions, Predictions],
    level: Level,
    labelled: Labelled,
    reference: pd.DataFrame,
    preprocessing: Preprocessing | None,
    baseline: tuple[str, tuple[str, ...]] | None = None,
) -> PurchasingPower:
    """Assemble fitted members; see `fit` for the other arguments.

    Args:
        settings: the settings.
        split: result of step `split`.
        members: fitted members at one level.
        out_of_time: see `fit`.
        level: see `fit`.
        labelled: see `fit`.
        reference: see `fit`.
        preprocessing: policies that were fitted with the members; None: they see raw features.
        baseline: name and columns of the baseline that the only member is; None for a model.
    """
    training = labelled.users
    prepared = preprocessing.transform(reference) if preprocessing else reference
    windows = windows_in_horizon(training, reference, split.label_days, split.horizon_days)
    # spend by decile in a short label window doesn't calibrate a long horizon
    shape = calibration.fit(*out_of_time) if split.label_days == split.horizon_days else calibration.fit([], [])
    calibrated = [
        shape.at_level(predictions, spend.sum()).apply(predictions)
        for predictions, spend in zip(*out_of_time, strict=True)
    ]
    return build(
        members,
        reference[list(baseline[1])] if baseline else reference,
        horizon_days=split.horizon_days,
        calibration=shape.at_level(blended(members, prepared)[0], level.expected),
        intervals=intervals.fit(
            calibrated,
            out_of_time[1],
            level.expected / len(reference),
            windows=windows,
        ),
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares=settings.scoring.tier_shares,
        top_reasons=settings.scoring.reasons,
        windows=windows,
        seed=settings.training.seed,
        threads=settings.training.threads,
        cold_start=learn(settings, split, windows),
        preprocessing=preprocessing,
        baseline=(baseline[0], baseline[1][0]) if baseline else None,
    )


def _at_one_level(members: list[Member], reference: pd.DataFrame) -> list[Member]:
    """Scale the members to the same mean expected spend on the reference users."""
    means = [float(member.model.predict(reference)["expected_spend"].mean()) for member in members]
    levels = scales(means, [member.weight for member in members])
    return [member._replace(scale=scale) for member, scale in zip(members, levels, strict=True)]


def checkpoints(settings: Settings, training_id: str) -> Path:
    """Folder of the networks' checkpoints until the training is complete."""
    return settings.home_path / "checkpoints" / training_id


def _fit_member(settings: Settings, split: Split, choice: MemberChoice, training: LabelledUsers) -> SpendModel:
    """Fit a member. A network resumes from its checkpoints, logs learning curves and is compressed as configured."""
    config, training_id, family = settings.training, split.training_id, choice.family
    extra = {"checkpoints": checkpoints(settings, training_id) / family} if is_network(family) else {}
    model: Any = build_model(settings, family, choice.params | extra, config.seed, split.label_days).fit(training)
    log.info("%s refitted on %d rows", family, len(training))
    if is_network(family):
        curves.log_curves(settings, training_id, family, choice.params, model.history)
        model = model.compressed(config.network_variant, config.network_sparsity)
    return model
