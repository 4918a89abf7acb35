"""The shop: all tables of the simulation, day by day."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from marketplace.browsing import draw_events, events_table, tracked
from marketplace.catalogue import make_catalogue
from marketplace.drift import Drift
from marketplace.habits import make_habits
from marketplace.plan import Plan, Stream
from marketplace.population import make_profiles
from marketplace.purchases import draw_orders, draw_returns
from marketplace.season import season
from marketplace.state import State
from marketplace.tables import list_prices, midnight, products_table, truth_table, users_table
from marketplace.visits import draw_visits


@dataclass(frozen=True)
class Day:
    """Rows that the shop records on a day, ordered by time; days are numbered from 0."""

    number: int
    events: pa.Table
    order_lines: pa.Table


class Shop:
    """A simulated shop.

    Attributes:
        users: user_id, registered_at, valid_from, age, gender, occupation, city.
        products: product_id, valid_from, category, brand, list_price, unit_cost.
        truth: user_id, budget, wallet_share, taste, left_on_day; see `tables.truth_table`.
        state: state of the users in the evening of the latest day drawn.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._drift = plan, Drift(**plan.drift)
        self._catalogue = make_catalogue(plan)
        random = plan.random(Stream.USERS)
        self._profiles = make_profiles(plan, random)
        self._habits = make_habits(self._profiles, self._catalogue, random)
        self.users = users_table(plan, self._profiles)
        self.products = products_table(plan, self._catalogue, self._drift)
        self.truth = truth_table(self._profiles, self._habits)
        self.state = State(plan, self._habits)

    def days(self) -> Iterator[Day]:
        """Draw all days from 0 on. Memory grows with the users, not with the number of days.

        Returns after the last day are left out.
        """
        self.state = state = State(self._plan, self._habits)
        returns: dict[int, list[pa.Table]] = {}
        for number in range(self._plan.days):
            state.move()
            events, orders, coming_back = self._day(number, state)
            for due, lines in coming_back.items():
                returns.setdefault(due, []).append(lines)
            lines = pa.concat_tables([orders, *returns.pop(number, [])])
            by_time = [(name, "ascending") for name in ("ordered_at", "order_id", "line")]
            yield Day(number, events, lines.sort_by(by_time))

    def _day(self, number: int, state: State) -> tuple[pa.Table, pa.Table, dict[int, pa.Table]]:
        """Draw events, orders, and returns by the day on which they arrive."""
        random, today = self._plan.random(Stream.VISITS, number), season(self._plan, number)
        beginning, broken = midnight(self._plan, number), self._drift.tracking_is_broken(number)
        visits = draw_visits(number, self._profiles, self._habits, state, today, self._drift, random)
        buys = visits.lines > 0
        state.order(visits.user[buys], visits.category[buys])
        events = draw_events(number, visits, self._profiles, self._habits, today, random)
        prices = list_prices(self._catalogue, self._drift, number)
        orders = draw_orders(number, beginning, events, visits, today, prices, self._catalogue, random)
        recorded = tracked(events, visits, broken=broken)
        table = events_table(number, beginning, events, visits, recorded, broken=broken)
        return table, orders, draw_returns(number, beginning, orders, self._catalogue, random)
