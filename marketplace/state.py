"""State of the users that changes from day to day: mood, time since the last order, and planned purchases."""

import numpy as np

from marketplace.catalogue import CATEGORIES
from marketplace.habits import Habits
from marketplace.plan import Plan, Stream

MOOD_SPREAD, MOOD_MEMORY, MOOD_DAYS = 0.7, 0.85, 7
"""Spread, weekly autocorrelation and step in days of the mood: a log-normal factor on visits with mean 1."""

CONVERSION_BY_MOOD = 0.3
"""Exponent of the mood in the conversion."""

RHYTHM_FACTOR, RHYTHM_LIMIT = 2.14, 3.0
"""Factor and limit of the order hazard of users with a rhythm. The hazard grows with the square of the time since the
last order, so intervals are Weibull distributed with shape 3; 3 x gamma(4 / 3) ** 3 keeps their mean at the user's."""

PLANNED = ("electronics", "phones", "computers", "appliances", "furniture", "jewellery")
"""Categories that users view for days before they buy, or decide not to."""

PLANS_A_DAY = 1 / 150
SHORTEST_PLAN, MEAN_PLAN = 4, 14.0  # days, and days beyond the shortest
VISITS_BY_PLAN = 1.8  # factor on visits while a purchase is planned
PLAN_SHARE = 0.6  # share of these visits that serve the plan
PLAN_CONVERSION = (0.2, 2.4)
"""Factor on the conversion of a visit for the plan: at its start, and the increase towards its end."""

NO_PLAN = -1
LONGEST_WAIT = 5.0  # intervals; longer waits are reported as this


class State:
    """State of all users on the current day. `move` must be called once per day, from day 0 on."""

    def __init__(self, plan: Plan, habits: Habits) -> None:
        self._plan, self._habits, self._day = plan, habits, -1
        self._mood = np.zeros(plan.users, np.float32)
        self._category = np.full(plan.users, NO_PLAN, np.int32)
        self._began = np.zeros(plan.users, np.int32)
        self._ends = np.zeros(plan.users, np.int32)
        orders = np.maximum(habits.visits * habits.conversion, 1e-6)
        self._interval = np.minimum(1 / orders, 1e5).astype(np.float32)
        self._ordered = -self._interval * plan.random(Stream.STATE).random(plan.users, dtype=np.float32)

    def move(self) -> None:
        """Move to the next day."""
        self._day += 1
        random = self._plan.random(Stream.STATE, self._day)
        if self._day % MOOD_DAYS == 0:
            fresh = np.float32(np.sqrt(1 - MOOD_MEMORY**2)) if self._day else np.float32(1)
            step = random.standard_normal(self._plan.users, dtype=np.float32)
            self._mood = np.float32(MOOD_MEMORY) * self._mood + fresh * step
        self._category[self._ends <= self._day] = NO_PLAN
        starts = (random.random(self._plan.users, dtype=np.float32) < PLANS_A_DAY) & (self._category == NO_PLAN)
        count = int(starts.sum())
        planned = np.array([i for i, category in enumerate(CATEGORIES) if category.name in PLANNED], np.int32)
        self._category[starts] = random.choice(planned, count)
        self._began[starts] = self._day
        self._ends[starts] = self._day + SHORTEST_PLAN + (MEAN_PLAN * random.standard_exponential(count)).astype(int)

    def visits(self, users: slice) -> np.ndarray:
        """Factor on the visits of each user."""
        plans = np.where(self._category[users] == NO_PLAN, np.float32(1), np.float32(VISITS_BY_PLAN))
        return np.exp(self._log_mood(users)) * plans

    def planned(self, users: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Planned category that a visit of each user serves, or NO_PLAN; `chance` is uniform on [0, 1)."""
        return np.where(chance < PLAN_SHARE, self._category[users], NO_PLAN)

    def conversion(self, users: np.ndarray, planned: np.ndarray) -> np.ndarray:
        """Factor on the probability that a visit ends in an order, given its planned category or NO_PLAN."""
        lasts = np.maximum(self._ends[users] - self._began[users], 1)
        progress = ((self._day - self._began[users]) / lasts).astype(np.float32)
        first, more = PLAN_CONVERSION
        plans = np.where(planned == NO_PLAN, np.float32(1), np.float32(first) + np.float32(more) * progress**2)
        waited = (self._day - self._ordered[users]) / self._interval[users]
        rhythm = np.minimum(np.float32(RHYTHM_FACTOR) * waited**2, np.float32(RHYTHM_LIMIT))
        rhythm = np.where(self._habits.rhythm[users] & (planned == NO_PLAN), rhythm, np.float32(1))
        return plans * rhythm * np.exp(np.float32(CONVERSION_BY_MOOD) * self._log_mood(users))

    def order(self, users: np.ndarray, categories: np.ndarray) -> None:
        """Record orders; a plan ends when the user buys in its category."""
        self._ordered[users] = self._day
        self._category[users[self._category[users] == categories]] = NO_PLAN

    def hidden(self) -> dict[str, np.ndarray]:
        """Hidden state in the evening that no shop knows, by name; arrays of shape (users,).

        `mood` is standard normal. `planning` is 0 or 1; `plan_days` and `plan_days_left` are 0 without a plan.
        `waited` is the time since the last order in the user's own intervals, at most 5; -1 without a rhythm.
        """
        planning = (self._category != NO_PLAN) & (self._ends > self._day + 1)
        waited = np.minimum((self._day + 1 - self._ordered) / self._interval, LONGEST_WAIT)
        return {
            "mood": self._mood.copy(),
            "planning": planning.astype(float),
            "plan_days": np.where(planning, self._day + 1 - self._began, 0.0),
            "plan_days_left": np.where(planning, self._ends - self._day - 1, 0.0),
            "waited": np.where(self._habits.rhythm, waited, -1.0),
        }

    def _log_mood(self, users: slice | np.ndarray) -> np.ndarray:
        return np.float32(MOOD_SPREAD) * self._mood[users] - np.float32(MOOD_SPREAD**2 / 2)
