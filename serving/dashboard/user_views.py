"""What the pages of today and of one user are given: plain values and charts, put together from the lake."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from models.predictions import TIERS
from models.score.totals import Group, total_interval
from pipelines.errors import PurseError
from pipelines.results.result import read_result
from pipelines.results.scoring import Scored
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from pipelines.source.ids import text_in_form
from serving.dashboard import charts, people
from serving.dashboard.context import champion_of
from serving.dashboard.language import _
from serving.dashboard.picture import Picture
from serving.dashboard.population import Choice, Population
from serving.dashboard.problems import UnknownUser
from serving.dashboard.trends import trends
from serving.dashboard.values import Change, LiveRows, Row, Trend, UserScore

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard


@dataclass(frozen=True)
class Today:
    """The page of today: the chosen users, beside everybody.

    Attributes:
        population: of the newest scored snapshot.
        choice: filters.
        picture, everybody: counts of the chosen users and of all.
        interval: 80 % interval of the chosen users' total spend, in money.
        stayed, moved, newcomers: users who kept their tier, changed it or are new since the snapshot before.
        largest: the users with most expected spend.
        trends: courses of users, spend and spend per user over the newest snapshots.
        distribution, shares: charts.
    """

    population: Population
    choice: Choice
    picture: Picture
    everybody: Picture
    interval: tuple[float, float] | None
    tiers: tuple[str, ...]
    stayed: int
    moved: int
    newcomers: int
    largest: list[Row]
    trends: dict[str, Trend]
    distribution: charts.Spec
    shares: charts.Spec


@dataclass(frozen=True)
class UserForm:
    """The page of users without a user: the form, and the users with most expected spend."""

    largest: list[Row]
    user: None = None
    user_id: str = ""
    problem: None = None


@dataclass(frozen=True)
class UserPage:
    """The page of one user: the newest score, its history, and what changed.

    Attributes:
        user: the newest score, live or of the newest snapshot.
        stored: score of the newest snapshot, if the newest one is live.
        since: what the user did since the snapshot, if the newest score is live.
        compared, before: the two newest snapshots, between which changes are listed.
    """

    user: UserScore
    user_id: str
    stored: UserScore | None
    since: LiveRows
    compared: date
    history: list[Row]
    course: charts.Spec | None
    before: date | None
    changes: list[Change]
    why_no_changes: str | None
    problem: None = None


def today(dashboard: "Dashboard", choice: Choice) -> Today:
    """Count the chosen users.

    Raises:
        PurseError: no lake, no predictions, or an unknown choice.
    """
    population = dashboard.populations.newest()
    picture, everybody = population.picture(choice), population.picture({})
    known = {move: users for move, users in picture.moves.items() if move[0] is not None}
    return Today(
        population=population,
        choice=choice,
        picture=picture,
        everybody=everybody,
        interval=_interval(dashboard.settings, population, picture),
        tiers=TIERS,
        stayed=sum(users for (before, now), users in known.items() if before == now),
        moved=sum(users for (before, now), users in known.items() if before != now),
        newcomers=sum(users for (before, _), users in picture.moves.items() if before is None),
        largest=population.largest(choice),
        trends=trends(population.trend(choice)),
        distribution=charts.distribution(picture, choice),
        shares=charts.shares(picture, choice),
    )


def user(dashboard: "Dashboard", user_id: str) -> UserForm | UserPage:
    """Look up one user's score, its history and what changed; without an id the form alone.

    Raises:
        UnknownUser: there is no score of this user.
        PurseError: nobody has been scored yet.
    """
    population = dashboard.populations.newest()
    if not user_id:
        return UserForm(population.largest({}))
    user_id = _in_form(dashboard.settings, user_id)
    rows = people.history(population, user_id)
    scored = rows and rows[-1]["snapshot_date"] == population.snapshot
    stored = people.as_score(rows[-1]) if scored else None
    newest = (dashboard.newest_score(user_id) if dashboard.newest_score else None) or stored
    if newest is None:
        raise UnknownUser(user_id, population.snapshot)
    live = newest if newest.live else None
    changes, why_not = _changes(dashboard, population, user_id)
    return UserPage(
        user=newest,
        user_id=user_id,
        stored=stored if newest.live else None,
        since=dashboard.live_rows(user_id, newest.snapshot_date) if newest.live else LiveRows(),
        compared=population.snapshot,
        history=rows,
        course=charts.course(rows, live) if len(rows) + bool(live) > 1 else None,
        before=population.before,
        changes=changes,
        why_no_changes=why_not,
    )


def _in_form(settings: Settings, user_id: str) -> str:
    """User id in the forms of the source."""
    try:
        return text_in_form(user_id, load_source(settings).ids)
    except PurseError:
        return user_id  # a step says what is wrong with the source


def _interval(settings: Settings, population: Population, picture: Picture) -> tuple[float, float] | None:
    """80 % interval of the users' total; None where `score` left no result, or kept too little for it."""
    try:
        scored = read_result(settings, population.snapshot, Scored)
    except PurseError:
        return None
    level = scored.level
    if scored.second_moment is None or not 0 < level.low <= level.expected <= level.high:
        return None
    variance = max(scored.second_moment * picture.squares_over_chance - picture.squares, 0.0)
    group = Group(picture.spend, variance, picture.nothing)
    return total_interval(group, level.low / level.expected, level.high / level.expected)


def _changes(dashboard: "Dashboard", population: Population, user_id: str) -> tuple[list[Change], str | None]:
    if population.before is None:
        return [], _("There is one snapshot only: changes are shown from the second on.")
    try:
        _champion, findings, _problem = champion_of(dashboard)
    except PurseError as error:
        return [], _("What matters most to the model isn't known. %(error)s", error=error)
    important = findings.importances
    found = people.changes(dashboard.settings, population.before, population.snapshot, user_id, important)
    nothing = _("Nothing that the model weighs moved notably, or one of the two snapshots lacks this user.")
    return found, None if found else nothing
