"""Compare the expected total of new scores with the last scores, before they replace anything."""

from datetime import date
from math import isfinite

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings


def require_usual_total(settings: Settings, total: float, users: int, snapshot_date: date) -> None:
    """Stop if the expected total is far from the last scores: a wrong date or amount moves all scores at once.

    Args:
        settings: `scoring.max_total_change` is the largest usual factor, up or down; None: any.
        total: expected spend of all users.
        users: number of users.
        snapshot_date: date of the new scores.

    Raises:
        PurseError: the total changed by more than this factor; the message has both totals and the command.
    """
    limit, last = settings.scoring.max_total_change, _last_total(settings, snapshot_date)
    if limit is None or last is None:
        return
    day, before, users_before = last
    if before <= 0 or before / limit <= total <= before * limit:  # NaN stops
        return
    raise PurseError(
        f"The scores of {snapshot_date} expect a total of {total:,.2f} from {users:,} users; those of {day} expected "
        f"{before:,.2f} from {users_before:,}. scoring.max_total_change allows a factor of {limit:g}. Nothing was "
        "written, and the last scores stay. Look for wrong dates or amounts in the newest orders ('purse validate' "
        f"lists warnings). If the change is right, run 'purse score --snapshot-date {snapshot_date} --confirm', or "
        "trigger score_daily with 'Confirm the change'."
    )


def _last_total(settings: Settings, snapshot_date: date) -> tuple[date, float, int] | None:
    """Snapshot, expected total and users of the newest earlier scores of the same horizon."""
    name = "predictions"
    earlier = [day for day in tables.days(settings, name, "snapshot_date") if day < snapshot_date]
    if not earlier:
        return None
    rows = tables.read_opened(tables.connect(), tables.open_table(settings, name), [earlier[-1]])
    same = rows.filter(rows.horizon_days == settings.horizon_days)
    found = same.aggregate(total=same.expected_spend.sum(), users=same.count()).to_pyarrow().to_pylist()[0]
    total = found["total"]
    return (earlier[-1], total, found["users"]) if total is not None and isfinite(total) else None
