"""Write the section of a model card on the model's limits; a fact of the retraining triggers each line."""

from features.definitions import FEATURES
from features.inputs import tables_read
from models.measures.names import TESTED
from pipelines.evaluate.card.facts import Facts
from pipelines.evaluate.findings import PROFILE

YEAR_DAYS = 365
LARGE_SHARE = 0.01
"""Share of all spend by one user above which the card mentions it."""

COVERED = (0.78, 0.82)
"""Range of the share of users inside their 80 % interval that counts as correct."""

FAITHFUL = 0.9
"""Minimum R² of the explaining trees for trustworthy reasons."""


def limits(facts: Facts) -> list[str]:
    """List the limits, one line each."""
    lines = [*_of_the_data(facts), *_of_the_users(facts), *_of_the_predictions(facts)]
    return [f"- {line}" for line in lines]


def _of_the_data(facts: Facts) -> list[str]:
    split = facts.split
    days = (split.test - facts.order_days[0]).days
    lines = [f"One test window, {split.horizon_days} days from {split.test}: other seasons may differ."]
    if days < YEAR_DAYS:
        lines.append(f"Only {days} days of history precede it: yearly patterns can't be learned from them.")
    if facts.scaled:
        lines.append(
            f"Labels of {split.label_days} days stand in for {split.horizon_days}: later purchases are extrapolated, "
            "and the calibration by decile can't be learned."
        )
    if "events" not in tables_read(split.features):
        lines.append("The model reads no events: what users look at changes no score.")
    left_out = facts.built.left_out
    if left_out:
        missing = {need for f in FEATURES if f.name in left_out for need in f.needs if not _given(facts, need)}
        lines.append(f"Features left out: {len(left_out)}; the source lacks {', '.join(sorted(missing))}.")
    absent = [name for name in PROFILE if name not in split.features]
    if absent:
        lines.append(f"Fairness can't be measured by {', '.join(absent)}: not in the data.")
    return lines


def _given(facts: Facts, need: str) -> bool:
    """Whether any built feature needs this column."""
    return any(need in feature.needs for feature in FEATURES if feature.name in facts.built.features)


def _of_the_users(facts: Facts) -> list[str]:
    findings, lines = facts.findings, []
    if rows := facts.built.rows_without_orders:
        lines.append(f"Users without orders ({rows:,} rows) are not covered by these measures.")
    else:
        lines.append("The data has no users without orders: how well they would be scored isn't measured.")
    if new := findings.newcomers:
        share = new["users"] / facts.measured.users
        lines.append(
            f"{new['users']:,.0f} users ({share:.1%}) first bought less than "
            f"{facts.settings.snapshots.min_history_days} days before the snapshot: nGini {new['ngini']:.3f}, bias "
            f"{new['bias']:+.2f} and AUC {new['auc']:.3f} among them."
        )
    if findings.largest_share > LARGE_SHARE:
        lines.append(
            f"One user made {findings.largest_share:.1%} of all spend in the test window: compare the measures with "
            "and without capped spend."
        )
    return lines


def _of_the_predictions(facts: Facts) -> list[str]:
    findings, lines = facts.findings, []
    covered = facts.measured.measures["interval_coverage"]
    if not COVERED[0] <= covered <= COVERED[1]:
        width = "wide" if covered > COVERED[1] else "narrow"
        lines.append(f"The 80 % intervals are too {width}: {covered:.1%} of the test users are inside.")
    level = facts.trained.level
    if not level.low <= findings.spent <= level.high:
        lines.append("The total spend of all users was outside the level's 80 % interval.")
    if len(findings.fairness) and (flagged := int(findings.fairness["flagged"].sum())):
        tested = int(findings.fairness["measure"].isin(TESTED).sum())
        lines.append(f"{flagged} of {tested} tested differences between groups are too large for chance, see Fairness.")
    if findings.surrogate_r2 < FAITHFUL:
        lines.append(f"The trees behind the reasons follow the score with R² {findings.surrogate_r2:.2f} only.")
    return [*lines, "Reasons are correlations with the score, not causes."]
