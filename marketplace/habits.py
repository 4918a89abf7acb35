"""Habits of the users, given their budget: frequency, price tier, categories, and how long they stay customers."""

from dataclasses import dataclass

import numpy as np

from marketplace.catalogue import CATEGORIES, TIERS, Catalogue
from marketplace.population import Profiles

FAVOURITES = 3
"""Favourite categories per user."""

MEAN_FURTHER_LINES = 0.8
"""Mean number of lines of an order beyond the first."""

NEVER_ORDERS = 0.12
"""Share of users who visit but never buy."""

WALLET_SHARE = (4.0, 8.0)
"""Parameters of the beta distribution of the share of the budget that a user spends in this shop."""

TASTE_BY_BUDGET = 0.75
"""Correlation of taste (the preferred price tier) with the log budget."""

TASTE_SPREAD = 0.5
"""Standard deviation of a user's taste from item to item, in standard deviations of taste over users."""

VISITS_PER_DAY = 0.24
"""Visits per day of the median active user."""

VISITS_BY_ORDERS, VISITS_SPREAD = 0.4, 0.55
"""Exponent of the order rate in the number of visits, and standard deviation of the remaining log visits."""

WITH_RHYTHM = 0.4
"""Share of users who order at regular intervals; the others order at random times."""

MOST_VISITS = 3.0
BEST_CONVERSION = 0.4
CHURN_SHAPE, CHURN_SCALE = 0.8, 170.0
"""Parameters of the gamma distributed hazard of leaving; a share (1 + t / scale) ** -shape stays t days (Pareto II)."""

DAYS_OF_BUDGET = 28
LEANINGS_BY_GENDER: tuple[dict[str, float], ...] = (
    {"women's fashion": 2.0, "men's fashion": 0.3, "beauty": 1.6, "tools": 0.5},
    {"women's fashion": 0.3, "men's fashion": 2.0, "beauty": 0.5, "tools": 1.6, "electronics": 1.5},
    {},
)
"""Factors on category weights, in the order of GENDERS."""

MIDDLE_AGES = (28, 48)
LEANINGS_BY_AGE = ({"children": 0.4, "games": 1.3}, {"children": 3.0, "toys": 2.0})
"""Factors on category weights, outside and within the middle ages."""


@dataclass(frozen=True)
class Habits:
    """Habits, in the order of the profiles. Arrays have shape (users,) except `favourites`.

    Attributes:
        wallet_share: share of the budget that an active user spends in this shop; 0 for users who never order.
        taste: standard normal; its quantile is the preferred price tier.
        aspiration: how much dearer, in taste, viewed products are than bought ones.
        leaves: first day on which the user no longer visits, after the day of registration at the earliest.
        visits: visits per day of an active user.
        conversion: probability that a visit ends in an order.
        rhythm: whether the user orders at regular intervals.
        favourites: shape (users, FAVOURITES); indexes into CATEGORIES.
        app_share: share of visits by app.
    """

    wallet_share: np.ndarray
    taste: np.ndarray
    aspiration: np.ndarray
    leaves: np.ndarray
    visits: np.ndarray
    conversion: np.ndarray
    rhythm: np.ndarray
    favourites: np.ndarray
    app_share: np.ndarray


def make_habits(profiles: Profiles, catalogue: Catalogue, random: np.random.Generator) -> Habits:
    """Draw habits so that an active user spends about `budget x wallet_share` EUR in 28 days on average."""
    count = len(profiles.budget)
    log_budget = np.log(profiles.budget)
    spread = log_budget.std()
    standard = (log_budget - log_budget.mean()) / spread if spread > 0 else np.zeros(count)
    taste = TASTE_BY_BUDGET * standard + np.sqrt(1 - TASTE_BY_BUDGET**2) * random.standard_normal(count)
    share = random.beta(*WALLET_SHARE, count)
    orders = profiles.budget * share / DAYS_OF_BUDGET / _order_value(taste, catalogue)
    noise = VISITS_SPREAD * random.standard_normal(count)
    visits = np.minimum(VISITS_PER_DAY * (orders / np.median(orders)) ** VISITS_BY_ORDERS * np.exp(noise), MOST_VISITS)
    share[random.random(count) < NEVER_ORDERS] = 0
    hazard = random.gamma(CHURN_SHAPE, 1 / CHURN_SCALE, count)
    stays = 1 + random.standard_exponential(count) / np.maximum(hazard, 1e-9)
    return Habits(
        wallet_share=share.astype(np.float32),
        taste=taste.astype(np.float32),
        aspiration=random.normal(0.2, 0.3, count).astype(np.float32),
        leaves=(profiles.registered_day + np.minimum(stays, 1e6)).astype(np.int32),
        visits=visits.astype(np.float32),
        conversion=np.where(share > 0, np.minimum(orders / visits, BEST_CONVERSION), 0).astype(np.float32),
        rhythm=random.random(count) < WITH_RHYTHM,
        favourites=_favourites(profiles, random),
        app_share=np.clip(random.beta(2, 2, count) + (40 - profiles.age) / 100, 0.02, 0.98).astype(np.float32),
    )


def _order_value(taste: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Approximate mean value of an order by taste, in EUR: the mean over nine points of the item's taste."""
    steps = np.array([-1.6, -1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0, 1.6])
    grid = np.linspace(-5, 5, 201)
    quantile = 1 / (1 + np.exp(-1.702 * (grid[:, None] + TASTE_SPREAD * steps)))
    tier = np.minimum((quantile * TIERS).astype(int), TIERS - 1)
    value = catalogue.line_values()[tier].mean(axis=1) * (1 + MEAN_FURTHER_LINES)
    return np.interp(taste, grid, value)


def _favourites(profiles: Profiles, random: np.random.Generator) -> np.ndarray:
    """Draw favourite categories by the categories' weights and the user's gender and age; shape (users, FAVOURITES)."""
    middle_aged = (profiles.age >= MIDDLE_AGES[0]) & (profiles.age < MIDDLE_AGES[1])
    favourites = np.empty((len(profiles.age), FAVOURITES), np.int32)
    for gender, leaning in enumerate(LEANINGS_BY_GENDER):
        for age, leaning_of_age in enumerate(LEANINGS_BY_AGE):
            leanings = leaning | leaning_of_age
            own = np.array([c.weight * leanings.get(c.name, 1.0) for c in CATEGORIES])
            group = (profiles.gender == gender) & (middle_aged == bool(age))
            favourites[group] = random.choice(len(own), (int(group.sum()), FAVOURITES), p=own / own.sum())
    return favourites
