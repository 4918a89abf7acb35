"""The CNN-LSTM family beside the same network without sequences, on simulated marketplaces.

    python benchmarks/sequence_ablation.py [--users 4000] [--days 150] [--shops 2] [--seeds 3] [--ceiling]

Each shop is simulated, loaded and built as in `purse backtest`. Both networks have the same defaults and learn from
the snapshots of one retraining, whose labels end before the test window of 28 days. The ablation, `mlp`, differs in
its reader only: it gets the same features and no sequences. Standard errors are from a bootstrap over users.

`--ceiling` instead measures an upper bound for timing: it gives the ablation the hidden state of each user on the
evening before the snapshot, from which the simulation continues and which no shop knows. Permanent traits are left out.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from cli.backtest import own_settings
from marketplace.plan import Plan
from marketplace.shop import Shop
from models import catalog
from models.measures.comparison import compare
from models.protocol import LabelledUsers
from pipelines.build_features import step as build_features
from pipelines.ingest.step import ingest
from pipelines.lake.tables import UNDATED
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import Settings, load_settings
from pipelines.simulate import simulate
from pipelines.split import split
from pipelines.validate.step import validate

FIRST, HORIZON = date(2024, 1, 1), 28
PLAN = ("planning", "plan_days", "plan_days_left")
HIDDEN = {
    "nothing": (),
    "plan": PLAN,
    "mood": ("mood",),
    "rhythm": ("waited",),
    "gone": ("gone",),
    "all of these": (*PLAN, "mood", "waited", "gone"),
}
FAMILIES = {"cnn_lstm": "cnn_lstm", "without sequences": "mlp"}


def prepare(home: Path, plan: Plan) -> tuple[Settings, date]:
    """Simulate a shop and write its training set; return the settings and the date of the retraining."""
    end = plan.start + timedelta(days=plan.days)
    made = simulate(load_settings(), plan, home / "shop", Console(stderr=True))
    settings = own_settings(load_settings().with_changes(home=home), made["source"], end, HORIZON, ["cnn_lstm"], None)
    for step in (ingest, validate):
        step(settings, UNDATED + timedelta(days=1), end)
    write_result(settings, end, build_features.build_features(settings, end, "training"))
    write_result(settings, end, split(settings, end))
    return settings, end


def measure(settings: Settings, end: date, seeds: int) -> pd.DataFrame:
    """Measure both networks on the test window: nGini and lead of the first, by seed and for the mean prediction."""
    kept = read_result(settings, end, Split)
    learn = read_labelled(settings, kept, kept.final).users
    test = read_labelled(settings, kept, [kept.test]).users
    said: dict[str, list[pd.DataFrame]] = {name: [] for name in FAMILIES}
    for seed in range(seeds):
        for name, family in FAMILIES.items():
            # members of a network take the seeds that follow
            network = catalog.build(family, {}, seed=10 * seed, threads=2, horizon_days=HORIZON)
            said[name].append(network.fit(learn).predict(test.features))
    both = [{name: answers[seed] for name, answers in said.items()} for seed in range(seeds)]
    both.append({name: sum(answers[1:], answers[0]) / seeds for name, answers in said.items()})
    found = pd.concat(
        [compare(test, one).assign(seed=seed) for seed, one in zip([*range(seeds), "all"], both, strict=True)]
    )
    return found.assign(learned_from=len(learn), users=len(test))


def with_hidden_states(
    users: LabelledUsers, user_id: pd.Series, snapshots: NDArray[np.object_], states: dict[date, pd.DataFrame]
) -> LabelledUsers:
    """Add hidden states to the users' features; `snapshots` has the snapshot of each row."""
    parts = [states[day].loc[user_id[snapshots == day].astype(int)] for day in dict.fromkeys(snapshots)]
    added = pd.concat(parts).set_axis(users.features.index)
    return replace(users, features=users.features.join(added))


def hidden_states(plan: Plan, snapshots: list[date]) -> dict[date, pd.DataFrame]:
    """Hidden state of each user before each snapshot, by user_id, and whether the user has left for good."""
    shop, found = Shop(plan), {}
    left = shop.truth["left_on_day"].to_numpy()
    for day in shop.days():
        snapshot = plan.start + timedelta(days=day.number + 1)
        if snapshot in snapshots:
            state = shop.state.hidden() | {"gone": (left <= day.number + 1).astype(float)}
            found[snapshot] = pd.DataFrame(state, np.arange(plan.users) + 1)
    return found


def measure_ceiling(settings: Settings, end: date, plan: Plan) -> pd.DataFrame:
    """Measure the ablation with and without hidden states."""
    kept = read_result(settings, end, Split)
    final, test = sorted(kept.final), kept.test
    states = hidden_states(plan, [*final, test])
    learners, _, learn = read_labelled(settings, kept, final)
    testers, _, asked = read_labelled(settings, kept, [test])
    when, then = np.repeat(final, [kept.rows[day] for day in final]), np.repeat(test, len(asked))
    said = {}
    for name, columns in HIDDEN.items():
        chosen = {day: state[list(columns)] for day, state in states.items()}
        network = catalog.build("mlp", {}, seed=0, threads=2, horizon_days=HORIZON)
        network.fit(with_hidden_states(learn, learners, when, chosen))
        said[name] = network.predict(with_hidden_states(asked, testers, then, chosen).features)
    return compare(asked, said)


def print_leads(shop: int, found: pd.DataFrame) -> None:
    """Print the rows of a shop."""
    for seed, pair in found.groupby("seed", sort=False):
        one, other = pair.loc["cnn_lstm"], pair.loc["without sequences"]
        lead = f"{other.lead_ngini:+.4f} ({other.lead_ngini_se:.4f})"
        users = f"{one.learned_from:,} | {one.users:,} | {seed}"
        print(f"| {shop} | {users} | {one.ngini:.4f} | {other.ngini:.4f} | {lead} |", flush=True)


def print_ceiling(shop: int, found: pd.DataFrame) -> None:
    """Print the rows of a shop."""
    for name, one in found.iterrows():
        gain = f"{-one.lead_ngini:+.4f} ({one.lead_ngini_se:.4f})"
        print(f"| {shop} | {name} | {one.ngini:.4f} | {one.auc:.4f} | {gain} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 4_000), ("days", 150), ("shops", 2), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--ceiling", action="store_true")
    arguments = parser.parse_args()
    build_features.check = lambda *_: {}  # type: ignore[assignment]
    if arguments.ceiling:
        columns = ("shop", "given", "nGini", "AUC", "gain in nGini (standard error)")
    else:
        columns = (
            "shop",
            "rows learned from",
            "users",
            "seed",
            "cnn_lstm",
            "without sequences",
            "lead (standard error)",
        )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    began = time.process_time()
    for number in range(arguments.shops):
        plan = Plan(arguments.users, arguments.days, number, FIRST)
        with tempfile.TemporaryDirectory() as home:
            settings, end = prepare(Path(home), plan)
            if arguments.ceiling:
                print_ceiling(number, measure_ceiling(settings, end, plan))
            else:
                print_leads(number, measure(settings, end, arguments.seeds))
    print(f"\n{time.process_time() - began:.0f} CPU seconds.")


if __name__ == "__main__":
    main()
