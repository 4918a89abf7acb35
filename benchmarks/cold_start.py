"""Users without orders on Ta-Feng: how well the cold start ranks them by profile alone, beside simpler predictions.

    python benchmarks/cold_start.py                            (about a minute on 2 free cores)
    python benchmarks/cold_start.py SOURCE CUTOFF HORIZON      another source

Runs the steps up to `split` in the home of that backtest under PURSE_HOME, learns from snapshots before the cutoff, and
prints Markdown: measures on the users of the test snapshot, with their orders withheld.
"""

import sys
from datetime import date, timedelta

import numpy as np
import pandas as pd

from cli.backtest import own_settings
from cli.runner import run_step
from models.cold_start.learning import MIN_USERS, Cohort, boosted
from models.cold_start.model import ColdStart
from models.measures.comparison import MEASURES, compare
from models.protocol import LabelledUsers
from pipelines.build_features.step import build_features
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.results.result import read_result
from pipelines.results.training import Split
from pipelines.retraining.level import forecast_level
from pipelines.retraining.training_set import TRAINING_WITHOUT_ORDERS, attribute_names, read_labelled
from pipelines.settings import Settings, load_settings
from pipelines.split import split
from pipelines.train.cold_start import AGE, learn, read_cohorts
from pipelines.validate.step import validate


def prepare(settings: Settings, end: date) -> None:
    """Run the steps from the source's files to labelled users."""
    first = tables.UNDATED + timedelta(days=1)
    run_step(settings, end, "ingest", lambda: ingest(settings, first, end))
    run_step(settings, end, "validate", lambda: validate(settings, first, end))
    run_step(settings, end, "build_features", lambda: build_features(settings, end, "training"))
    run_step(settings, end, "split", lambda: split(settings, end))


def populations(settings: Settings, split: Split, cutoff: date) -> dict[str, LabelledUsers]:
    """The users of the test snapshot, without the features of their orders."""
    names = attribute_names(split.features)
    _, _, customers = read_labelled(settings, split, [cutoff], [*names, AGE])
    new = customers.features[AGE] <= settings.horizon_days
    everyone = pd.Series(data=True, index=new.index)
    found = {"all customers": (customers, everyone), "customers of the last horizon": (customers, new)}
    if tables.exists(settings, TRAINING_WITHOUT_ORDERS):
        _, _, strangers = read_labelled(settings, split, [cutoff], names, TRAINING_WITHOUT_ORDERS)
        found["users without orders"] = (strangers, pd.Series(data=True, index=strangers.features.index))
    return {
        name: LabelledUsers(users.features[rows], users.future_spend[rows], users.purchased[rows].astype(bool))
        for name, (users, rows) in found.items()
        if rows.sum() >= MIN_USERS
    }


def answers(model: ColdStart, learned: Cohort, users: LabelledUsers, money: float) -> dict[str, pd.DataFrame]:
    """Predict with the cold start, its two candidates and the mean, in money at one level."""
    rows = learned.rows
    mean = pd.DataFrame(
        {"expected_spend": rows.future_spend.mean(), "purchase_probability": rows.purchased.mean()},
        index=users.features.index,
    )
    learner = boosted(0, 1, learned).fit(rows).predict(users.features)
    segments = model.segments.predict(users.features)
    others = {"boosted trees": learner, "segment mean": segments, "mean": mean}
    said = {"cold start": model.predict(users.features)}
    said |= {
        name: one.assign(expected_spend=one["expected_spend"] * model.spend_factor) for name, one in others.items()
    }
    return {name: one.assign(expected_spend=one["expected_spend"] * money) for name, one in said.items()}


def main(source: str, cutoff: date, horizon_days: int) -> None:
    """Measure and print."""
    settings = own_settings(load_settings(), source, cutoff, horizon_days, None, None)
    end = cutoff + timedelta(days=horizon_days)
    prepare(settings, end)
    split = read_result(settings, end, Split)
    model, found = learn(settings, split), populations(settings, split, cutoff)
    learned = read_cohorts(settings, split, [split.final])[model.learned_from][0]
    money = forecast_level(settings, cutoff).expected / len(found["all customers"])
    chosen = "boosted trees" if model.learner else "segment mean"
    print(f"## {source}, cutoff {cutoff}, {horizon_days} days\n")
    print(f"Learned from {model.learned_from}: {learned.users:,} users, {len(learned.rows):,} rows. ", end="")
    print(f"Segments: {' by '.join(model.segments.columns)}. Chosen: {chosen}", end="")
    if model.choice:
        gain, error = model.choice.gain, model.choice.standard_error
        print(f" (validation: boosted trees {gain:+.4f} nGini, standard error {error:.4f})", end="")
    print(".")
    for name, users in found.items():
        said = answers(model, learned, users, money)
        table = compare(users, said)
        print(f"\n### {name}: {len(users):,}, {np.mean(users.purchased):.1%} bought\n")
        expected = said["cold start"]["expected_spend"].mean()
        print(f"They spent {users.future_spend.mean():,.1f} on average; the cold start expects {expected:,.1f}.\n")
        print("| | nGini | AUC | MAE | cold start's lead in nGini | in AUC | in MAE |\n|---|---|---|---|---|---|---|")
        for row, values in table.iterrows():
            cells = []
            for column in (*MEASURES, *(f"lead_{measure}" for measure in MEASURES)):
                sign, digits = ("+" if column.startswith("lead") else ""), (1 if column.endswith("mae") else 4)
                cells.append(f"{values[column]:{sign},.{digits}f} ({values[f'{column}_se']:.{digits}f})")
            print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    given = sys.argv[1:] or ["tafeng", "2001-02-01", "28"]
    main(given[0], date.fromisoformat(given[1]), int(given[2]))
