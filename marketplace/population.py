"""Users of the shop: their profiles, and the budget that the shop never sees."""

from dataclasses import dataclass

import numpy as np

from marketplace.plan import Plan

REGISTERED_BEFORE = 0.65
"""Share of users who registered before day 0; the others register evenly over the simulated days."""

OLDEST_REGISTRATION = 365  # days before day 0
LATEST_REGISTRATION = 43_200  # second of the day; a first visit fits into the rest of the day
A_DAY = 86_400  # seconds
YOUNGEST, OLDEST = 18, 85
STUDENT, RETIRED = 0, 1
STUDENT_UNTIL, STUDENT_SHARE = 26, 0.6
RETIRED_FROM, RETIRED_SHARE = 65, 0.9

GENDERS = ("female", "male", "undisclosed")
GENDER_SHARES = (0.50, 0.46, 0.04)
OCCUPATIONS = {
    "student": -0.70,
    "retired": -0.10,
    "not employed": -0.75,
    "service": -0.25,
    "crafts": -0.10,
    "office": 0.05,
    "teacher": 0.15,
    "engineer": 0.40,
    "self-employed": 0.30,
    "manager": 0.65,
    "doctor": 0.75,
}
"""Occupations and their effect on the log budget."""

WORKING_SHARES = (0.07, 0.23, 0.17, 0.23, 0.07, 0.09, 0.07, 0.05, 0.02)
CITIES = {
    "Berlin": (0.17, 0.0),
    "Hamburg": (0.10, 0.1),
    "München": (0.09, 0.25),
    "Köln": (0.08, 0.05),
    "Wien": (0.09, 0.05),
    "Zürich": (0.04, 0.40),
    "Genève": (0.03, 0.40),
    "Lyon": (0.07, 0.0),
    "Nîmes": (0.03, -0.15),
    "København": (0.05, 0.25),
    "Malmö": (0.04, 0.10),
    "Kraków": (0.06, -0.25),
    "Łódź": (0.04, -0.30),
    "Málaga": (0.04, -0.20),
    "Porto": (0.04, -0.20),
    "Leipzig": (0.03, -0.10),
}
"""Cities with their share of users and their effect on the log budget."""

MEDIAN_BUDGET = 200.0  # EUR in 28 days, without any of the effects
BUDGET_SPREAD = 0.75  # standard deviation of the log budget that the profile does not explain
PRIME_AGE, AGE_EFFECT = 48, -0.00045  # the log budget falls with the square of the distance


@dataclass(frozen=True)
class Profiles:
    """Profiles ordered by time of registration; index 0 is user 1. All arrays have shape (users,).

    Attributes:
        registered_day: day of registration; negative before day 0.
        registered_second: second of that day.
        age: in years.
        gender: index into GENDERS.
        occupation: index into OCCUPATIONS.
        city: index into CITIES.
        budget: money that the user can spend in all shops in 28 days, in EUR; never part of the shop's data.
    """

    registered_day: np.ndarray
    registered_second: np.ndarray
    age: np.ndarray
    gender: np.ndarray
    occupation: np.ndarray
    city: np.ndarray
    budget: np.ndarray


def make_profiles(plan: Plan, random: np.random.Generator) -> Profiles:
    """Draw profiles: the occupation depends on age; the budget depends on age, occupation, city and chance."""
    count = plan.users
    before = random.random(count) < REGISTERED_BEFORE
    known, new = -1 - random.integers(0, OLDEST_REGISTRATION, count), random.integers(0, plan.days, count)
    seconds = random.integers(0, LATEST_REGISTRATION, count)
    day, second = np.divmod(np.sort(np.where(before, known, new) * A_DAY + seconds), A_DAY)
    age = np.clip(random.normal(42, 15, count), YOUNGEST, OLDEST).astype(np.int16)
    occupation = _occupations(age, random)
    city_shares, city_effects = np.array(list(CITIES.values())).T
    city = random.choice(len(CITIES), count, p=city_shares).astype(np.int8)
    log_budget = (
        np.log(MEDIAN_BUDGET)
        + np.array(list(OCCUPATIONS.values()))[occupation]
        + city_effects[city]
        + AGE_EFFECT * (age.astype(float) - PRIME_AGE) ** 2
        + random.normal(0, BUDGET_SPREAD, count)
    )
    return Profiles(
        registered_day=day.astype(np.int32),
        registered_second=second.astype(np.int32),
        age=age,
        gender=random.choice(len(GENDERS), count, p=GENDER_SHARES).astype(np.int8),
        occupation=occupation,
        city=city,
        budget=np.exp(log_budget).astype(np.float32),
    )


def _occupations(age: np.ndarray, random: np.random.Generator) -> np.ndarray:
    working = 2 + random.choice(len(WORKING_SHARES), len(age), p=WORKING_SHARES)
    chance = random.random(len(age))
    occupation = np.where((age < STUDENT_UNTIL) & (chance < STUDENT_SHARE), STUDENT, working)
    return np.where((age >= RETIRED_FROM) & (chance < RETIRED_SHARE), RETIRED, occupation).astype(np.int8)
