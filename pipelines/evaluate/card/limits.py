"""The section of a model card that says where the model ends; every line is there because a fact asks for it."""

from features.definitions import FEATURES
from models.measures.names import TESTED
from pipelines.evaluate.card.facts import Facts
from pipelines.evaluate.findings import PROFILE

YEAR_DAYS = 365
LARGE_SHARE = 0.01
COVERED = (0.78, 0.82)
"""Share of users inside their 80 % interval that counts as right."""

FAITHFUL = 0.9
"""R² of the trees that explain below which a reason is doubtful."""


def limits(facts: Facts) -> list[str]:
    """One line each."""
    lines = [*_of_the_data(facts), *_of_the_users(facts), *_of_the_predictions(facts)]
    return [f"- {line}" for line in lines]


def _of_the_data(facts: Facts) -> list[str]:
    split = facts.split
    days = (split.test - facts.order_days[0]).days
    lines = [f"One test window, {split.horizon_days} days from {split.test}: other seasons may differ."]
    if days < YEAR_DAYS:
        lines.append(f"It has {days} days of history before it: what returns every year can't be known from them.")
    if facts.scaled:
        lines.append(
            f"Labels of {split.label_days} days stand in for {split.horizon_days}: who comes back later than "
            "that is extrapolated, and the calibration by decile can't be learned."
        )
    left_out = facts.built.left_out
    if left_out:
        missing = {need for f in FEATURES if f.name in left_out for need in f.needs if not _given(facts, need)}
        lines.append(f"Features left out: {len(left_out)}; the source lacks {', '.join(sorted(missing))}.")
    absent = [name for name in PROFILE if name not in split.features]
    if absent:
        lines.append(f"Fairness can't be measured by {', '.join(absent)}: not in the data.")
    return lines


def _given(facts: Facts, need: str) -> bool:
    """Whether some feature that was built needs this column."""
    return any(need in feature.needs for feature in FEATURES if feature.name in facts.built.features)


def _of_the_users(facts: Facts) -> list[str]:
    found, lines = facts.findings, []
    if strangers := facts.built.rows_without_orders:
        lines.append(f"No measure here is about users without an order ({strangers:,} rows of such were built).")
    else:
        lines.append("Nobody is known here without an order: how well such users would be scored isn't measured.")
    if new := found.newcomers:
        share = new["users"] / facts.measured.users
        lines.append(
            f"{new['users']:,.0f} users ({share:.1%}) first bought less than "
            f"{facts.settings.snapshots.min_history_days} days before the snapshot: nGini {new['ngini']:.3f}, bias "
            f"{new['bias']:+.2f} and AUC {new['auc']:.3f} among them."
        )
    if found.largest_share > LARGE_SHARE:
        lines.append(
            f"One user made {found.largest_share:.1%} of all spend in the test window: read the measures that cap "
            "spend beside those that don't."
        )
    return lines


def _of_the_predictions(facts: Facts) -> list[str]:
    found, lines = facts.findings, []
    covered = facts.measured.measures["interval_coverage"]
    if not COVERED[0] <= covered <= COVERED[1]:
        way = "wide" if covered > COVERED[1] else "narrow"
        lines.append(f"The 80 % intervals are too {way}: {covered:.1%} of the test users are inside.")
    level = facts.trained.level
    if not level.low <= found.spent <= level.high:
        lines.append("What all users spent was outside the level's 80 % interval.")
    if len(found.fairness) and (flagged := int(found.fairness["flagged"].sum())):
        tested = int(found.fairness["measure"].isin(TESTED).sum())
        lines.append(f"{flagged} of {tested} tested differences between groups are too large for chance, see Fairness.")
    if found.surrogate_r2 < FAITHFUL:
        lines.append(f"The trees behind the reasons follow the score with R² {found.surrogate_r2:.2f} only.")
    return [*lines, "Reasons say what the score goes with; they are not causes."]
