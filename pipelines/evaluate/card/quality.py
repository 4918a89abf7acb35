"""Write the sections of a model card on quality: measures, calibration, level, slices, fairness, importances."""

from typing import Any

import numpy as np

from models.measures.fairness import FALSE_DISCOVERIES
from models.measures.names import TESTED
from models.score.intervals import COVERAGE
from pipelines.evaluate.card.facts import Facts, Section, number, records, table
from pipelines.results.decision import Compared

SHOWN = {
    "ngini": ("nGini", ".4f"),
    "ngini_capped": ("nGini, spend capped", ".4f"),
    "bias": ("bias", "+.3f"),
    "decile_wape": ("decile WAPE", ".3f"),
    "mae": ("MAE", ",.1f"),
    "auc": ("AUC", ".3f"),
    "top10_capture": ("top 10 % capture", ".3f"),
    "spearman": ("Spearman", ".3f"),
    "high_f1": ("F1 of `high`", ".3f"),
    "interval_coverage": ("80 % interval covers", ".3f"),
}
"""Title and format of each measure in the table."""

FEATURES = 15
"""Rows in the table of feature importances."""

MEASURES = 10
"""Rows in the table of permutation importances."""

PAST_LEVELS = 8
"""Number of newest past level forecasts to list."""


def sections(facts: Facts) -> list[Section]:
    """Write the sections on quality, in the order of the card."""
    return [
        ("Measures", _measures(facts)),
        ("Calibration and intervals by decile", _deciles(facts)),
        ("Level of spend", _level(facts)),
        ("Slices", _slices(facts)),
        ("Fairness", _fairness(facts)),
        ("What moves the score", _importances(facts)),
    ]


def comparison(facts: Facts) -> list[str]:
    """Tabulate the challenger's gain over each compared model, by paired bootstrap on the same users."""
    rows = [
        [
            name,
            f"{side.measures['ngini']:.4f}",
            f"{side.gain.estimate:+.4f}",
            f"{side.gain.standard_error:.4f}",
            f"{side.gain.better_share:.0%}",
        ]
        for name, side in _compared(facts).items()
    ]
    unusable = facts.measured.champion_unusable
    note = f"\nChampion version {facts.measured.champion_version} could not be compared: {unusable}."
    return [
        *table(["against", "its nGini", "gain", "standard error", "better in"], rows),
        *([note] if unusable else []),
    ]


def _compared(facts: Facts) -> dict[str, Compared]:
    compared = {f"baseline {name}": side for name, side in facts.measured.baselines.items()}
    if facts.measured.champion:
        compared = {f"champion, version {facts.measured.champion_version}": facts.measured.champion, **compared}
    return compared


def _measures(facts: Facts) -> list[str]:
    sides = {"this model": facts.measured.measures}
    sides |= {name: side.measures for name, side in _compared(facts).items()}
    rows = [
        [title, *(number(measures.get(name, np.nan), form) for measures in sides.values())]
        for name, (title, form) in SHOWN.items()
    ]
    return table(["measure", *sides], rows)


def _deciles(facts: Facts) -> list[str]:
    rows = [
        [
            int(row["decile"]),
            f"{row['users']:,}",
            f"{row['mean_expected']:,.2f}",
            f"{row['mean_spend']:,.2f}",
            number(row["mean_expected"] / row["mean_spend"] - 1 if row["mean_spend"] > 0 else np.nan, "+.1%"),
            f"{row['inside']:.1%}",
        ]
        for row in records(facts.findings.deciles)
    ]
    covered = facts.measured.measures["interval_coverage"]
    return [
        *table(["decile", "users", "mean expected", "mean true", "difference", "inside the interval"], rows),
        f"\nThe {COVERAGE:.0%} intervals cover {covered:.1%} of all users.",
    ]


def _level(facts: Facts) -> list[str]:
    level, past, spent = facts.trained.level, facts.findings.level_backtest, facts.findings.spent
    inside = "inside" if level.low <= spent <= level.high else "outside"
    now = (
        f"All test users together: forecast {level.expected:,.0f}, 80 % interval {level.low:,.0f} to "
        f"{level.high:,.0f}; actual {spent:,.0f}, {inside} of it ({level.expected / max(spent, 0.01) - 1:+.1%})."
    )
    if past.empty:
        return [now, "The history is too short to forecast from past snapshots."]
    errors = np.expm1(past["error"])
    rows = [
        [row["snapshot_date"], f"{row['forecast']:,.0f}", f"{row['actual']:,.0f}", f"{np.expm1(row['error']):+.1%}"]
        for row in records(past.tail(PAST_LEVELS))
    ]
    then = (
        f"At {len(past)} past snapshots, forecast from the days before each only, the mean absolute error is "
        f"{errors.abs().mean():.1%} (mean error {errors.mean():+.1%}). The newest:\n"
    )
    return [now, then, *table(["snapshot", "forecast", "actual", "error"], rows)]


def _slices(facts: Facts) -> list[str]:
    slices = facts.measured.slices
    if not slices:
        return [f"No slice has {facts.settings.promotion.min_slice_users:,} users."]
    rows = []
    for name, part in slices.items():
        gain = part.gain
        against = f"{gain.estimate:+.4f} ± {gain.standard_error:.4f}" if gain else "-"
        money = [f"{part.mean_spend:,.1f}", f"{part.mean_expected:,.1f}", number(part.bias, "+.3f")]
        rows.append([name, f"{part.users:,}", *money, f"{part.ngini:.4f}", f"{part.high_share:.0%}", against])
    headers = ["slice", "users", "mean true", "mean expected", "bias", "nGini", "in `high`", "gain over the champion"]
    return table(headers, rows)


def _fairness(facts: Facts) -> list[str]:
    differences = facts.findings.fairness
    if differences.empty:
        return ["No age band, gender or region has enough users to be compared with the rest."]
    tested = differences[differences["measure"].isin(TESTED)]
    rows = [
        [group, f"{part['users'].iloc[0]:,}", *map(_difference, records(part))]
        for group, part in tested.groupby("group", sort=False)
    ]
    intro = (
        "Difference between each group and all other users ± standard error. Spend is a property of the group; bias, "
        "order (nGini), AUC and recall (share of the true top tier that was found) are properties of the model. Bold: "
        f"too large for chance; at most {FALSE_DISCOVERIES:.0%} of the bold differences are expected to be chance "
        "(Benjamini-Hochberg).\n"
    )
    return [intro, *table(["group", "users", *TESTED], rows)]


def _difference(row: dict[str, Any]) -> str:
    if row["difference"] != row["difference"]:
        return "-"
    text = f"{row['difference']:+.3f} ± {row['standard_error']:.3f}"
    return f"**{text}**" if row["flagged"] else text


def _importances(facts: Facts) -> list[str]:
    findings = facts.findings
    rows = [
        [row["feature"], f"{row['effect']:.2f}", number(row["direction"], "+.2f")]
        for row in records(findings.importances.head(FEATURES))
    ]
    shuffled = [
        [row["measure"], f"{row['lost_ngini']:+.4f}", f"{row['spread']:.4f}"]
        for row in records(findings.permutation.head(MEASURES))
        if row["lost_ngini"] or row["spread"]
    ]
    if baseline := facts.trained.baseline:
        return [f"The baseline {baseline} ranks users by one column, `{rows[0][0]}`: the only reason that it tells."]
    intro = (
        "Reasons and importances are exact Shapley values (TreeSHAP) of boosted trees that imitate the score. On "
        f"held-out users the trees follow it with R² {findings.surrogate_r2:.4f} and Spearman "
        f"{findings.surrogate_spearman:.4f}. They see windows instead of features that grow with the history (T, "
        "recency, frequency, totals). Direction: Spearman of value and effect; above 0, a higher value raises the "
        "score.\n"
    )
    return [
        intro,
        *table(["feature", "mean effect, points of the score", "direction"], rows),
        "",
        "Loss of the model itself when the windows of a measure are shuffled among users:\n",
        *table(["measure", "nGini lost", "spread over shuffles"], shuffled),
    ]
