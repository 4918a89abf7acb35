"""Write the model card in Markdown: purpose, quality and limits of a version (Mitchell et al. 2019).

Every number comes from the results of the steps. The note on the retraining's MLflow run repeats some sections.
"""

from math import isfinite

from pipelines.evaluate.card import quality as card_quality
from pipelines.evaluate.card.facts import Facts, Section, params, preprocessing, table
from pipelines.evaluate.card.limits import limits
from pipelines.results.training import ColdStartFacts
from pipelines.retraining.study import study

NOTED = ("What was tried", "What won", "By how much", "On which data")
"""Sections that the run's note repeats."""

COLD_START = {  # key: `ColdStartFacts.learned_from`
    "without_orders": "earlier users without orders",
    "newcomers": "customers soon after their first order, as too few users without orders were known",
    "customers": "all customers, as too few users without orders and newcomers were known",
}


def render(facts: Facts) -> tuple[str, str]:
    """Write the card, and the note with the sections `NOTED`."""
    sections: list[Section] = [
        ("Purpose", _purpose(facts)),
        ("What was tried", _tried(facts)),
        ("What won", _members(facts)),
        ("By how much", card_quality.comparison(facts)),
        ("On which data", _data(facts)),
        *card_quality.sections(facts),
        ("Known limits", limits(facts)),
        ("How to reproduce it", _reproduce(facts)),
    ]
    title = f"# Model card: {facts.settings.mlflow.model_name}, training {facts.trained.training_id}"
    noted = [section for section in sections if section[0] in NOTED]
    return _text(title, facts, sections), _text("", facts, noted)


def _text(title: str, facts: Facts, sections: list[Section]) -> str:
    ours, (low, high) = facts.measured.measures, facts.measured.ngini_interval
    baseline, bias = facts.trained.baseline, f"{ours['bias']:+.1%}" if isfinite(ours["bias"]) else "undefined"
    name = f"Baseline {baseline}, which scores until a model beats it," if baseline else facts.trained.family
    headline = (
        f"**{name}** has normalized Gini {ours['ngini']:.4f} (95 % interval {low:.4f} to "
        f"{high:.4f}), bias {bias} and AUC {ours['auc']:.3f} on {facts.measured.users:,} test users, "
        "on days that it has not learned from."
    )
    parts = [title, headline] if title else [headline]
    return "\n\n".join([*parts, *(f"## {name}\n\n" + "\n".join(lines) for name, lines in sections)]) + "\n"


def _purpose(facts: Facts) -> list[str]:
    scoring, horizon = facts.settings.scoring, facts.split.horizon_days
    low = 1 - scoring.high_share - scoring.mid_share
    purpose = (
        f"The model predicts the {horizon} days from a snapshot date on, for every user with an order before it: net "
        "spend with an 80 % interval, probability of a purchase, a score from 0 to 100 (percentile rank of expected "
        f"spend among the users of the test snapshot), a tier (`high`: top {scoring.high_share:.0%}, `mid`: next "
        f"{scoring.mid_share:.0%}, `low`: the other {low:.0%}) and the reasons.\n"
    )
    use = (
        "Use it for segments, marketing, recommendations and stock. Do not use it for decisions about a person's "
        "credit, insurance or work: spend at one shop does not measure a person's means."
    )
    return [purpose, *_without_orders(facts.trained.cold_start), use]


def _without_orders(cold_start: ColdStartFacts | None) -> list[str]:
    if cold_start is None:
        return []
    segments = f" (by {', '.join(cold_start.segments)})" if cold_start.segments else ""
    return [
        (
            f"Users without orders are scored by {cold_start.by}{segments}, learned from "
            f"{COLD_START[cold_start.learned_from]}; their rows have `basis: attributes`.\n"
        )
    ]


def _tried(facts: Facts) -> list[str]:
    if facts.trained.baseline:
        return ["Nothing: a baseline ranks users by a column as it is. It is the best one on the validation windows."]
    sweep = study.open_sweep(facts.settings, facts.trained.training_id)
    complete = [trial for trial in study.finished(sweep) if trial.values]
    rows = []
    for best in study.best_by_family(sweep):
        family = best.user_attrs["family"]
        number = sum(trial.user_attrs["family"] == family for trial in complete)
        ngini = best.user_attrs["measures"]["validation_ngini"]
        rows.append([family, number, f"{ngini:.4f}", params(best.user_attrs["all_params"])])
    failed = len(study.failures(sweep))
    note = [f"\n{failed} more trials failed; the tag `error` of their runs has the reason."] if failed else []
    return [*table(["family", "trials", "validation nGini", "best hyperparameters"], rows), *note]


def _members(facts: Facts) -> list[str]:
    trained = facts.trained
    members = [f"- {m.weight:.0%} {m.family}: {params(m.params)}" for m in trained.members]
    by = "users that the predicting model never saw, on" if trained.user_folds > 1 else "the same users on"
    validation = f"Validation nGini {trained.validation_ngini:.4f} ± {trained.validation_error:.4f}"
    return [*members, f"\n{validation} (standard error), of {by} days that it has not learned from."]


def _data(facts: Facts) -> list[str]:
    split, final = facts.split, sorted(facts.split.final)
    days = f"labels of {split.label_days} days"
    versions = {key.removeprefix("lake."): value for key, value in facts.tags.items() if key.startswith("lake.")}
    first, last = facts.order_days
    rows = sum(split.rows[day] for day in final)
    lines = [
        f"- source `{facts.settings.source}`, orders from {first} to {last}, before {facts.split.snapshot_date}",
        f"- {len(split.features)} features, {facts.measured.users:,} test users",
        f"- trained on {len(final)} snapshots from {final[0]} to {final[-1]}, {days}, {rows:,} rows",
        f"- validated on {', '.join(sorted(str(fold.validation) for fold in split.folds))}, {days}",
        f"- tested on {split.test}, labels of {split.horizon_days} days",
        *preprocessing(facts),
        f"- versions in the lake: {', '.join(f'{name} {number}' for name, number in sorted(versions.items()))}",
    ]
    if facts.scaled:
        lines.append(
            f"- **trained on labels of {split.label_days} days and scaled to the horizon of "
            f"{split.horizon_days} days**: the history is too short for labels of the whole horizon. The chance to "
            f"buy is compounded over {facts.trained.windows:.2f} label windows, as many as BG/NBD and Pareto/NBD "
            "expect the horizon to count for; expected spend is brought to the total that the level model forecasts"
        )
    return lines


def _reproduce(facts: Facts) -> list[str]:
    day = facts.split.snapshot_date
    steps = ["build-features --for training", "split", "sweep", "train", "evaluate"]
    commands = [f"purse {step} --snapshot-date {day}" for step in steps]
    commit, training = facts.tags.get("git_commit", "unknown"), facts.trained.training_id
    return [
        (
            f"Commit `{commit}`, training `{training}`: the same data, settings and code give the same id, and the "
            "same model where one worker made all planned trials before the time was up.\n"
        ),
        "```sh",
        f"export PURSE_SOURCE={facts.settings.source} PURSE_HORIZON_DAYS={facts.split.horizon_days}",
        "purse ingest && purse validate",
        " && ".join(commands),
        "```",
    ]
