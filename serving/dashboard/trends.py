"""Small lines in cards: the course of a number over the newest snapshots."""

from collections.abc import Sequence

from serving.dashboard.values import Trend, TrendPoint

WIDTH, HEIGHT, EDGE = 100, 24, 2


def trends(points: Sequence[TrendPoint]) -> dict[str, Trend]:
    """Trend of users, spend and spend per user; none before the second snapshot."""
    if len(points) < 2:  # noqa: PLR2004
        return {}
    courses = {
        "users": [float(point.users) for point in points],
        "spend": [point.spend for point in points],
        "per_user": [point.spend / point.users for point in points],
    }
    return {name: _trend(points, values) for name, values in courses.items()}


def _trend(points: Sequence[TrendPoint], values: list[float]) -> Trend:
    before, now = values[-2:]
    return Trend(
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in _line(values)),
        snapshots=len(points),
        since=points[-2].snapshot_date,
        change=now / before - 1 if before else None,
    )


def _line(values: list[float]) -> list[tuple[float, float]]:
    low, spread = min(values), max(values) - min(values)
    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    heights = [(value - low) / spread if spread else 0.5 for value in values]
    return [(EDGE + step * x, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * height) for x, height in enumerate(heights)]
