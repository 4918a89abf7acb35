"""The text on a retraining's MLflow run: what was tried, what won, by how much, on which data."""

from datetime import date
from typing import Any

from pipelines import study
from pipelines.results import read_result
from pipelines.settings import Settings


def describe(settings: Settings, snapshot_date: date, trained: dict[str, Any], measured: dict[str, Any]) -> str:
    """Markdown out of the results of `split`, `train` and `evaluate` and the sweep's study."""
    split = read_result(settings, snapshot_date, "split")
    low, high = measured["ngini_interval"]
    ours = measured["measures"]
    headline = (
        f"**{trained['family']}** has normalized Gini {ours['ngini']:.4f} (95 % interval {low:.4f} to {high:.4f}), "
        f"bias {ours['bias']:+.1%} and AUC {ours['auc']:.3f} on {measured['users']:,} test users."
    )
    return "\n".join(
        [
            headline,
            "",
            "### What was tried",
            *_tried(study.open_sweep(settings, trained["training_id"])),
            "",
            "### What won",
            *_members(trained),
            "",
            "### By how much",
            *_comparison(measured),
            "",
            "### On which data",
            *_data(settings, snapshot_date, split),
        ]
    )


def _tried(sweep: study.Sweep) -> list[str]:
    complete = [trial for trial in study.finished(sweep) if trial.values]
    rows = []
    for best in study.best_by_family(sweep):
        family = best.user_attrs["family"]
        number = sum(trial.user_attrs["family"] == family for trial in complete)
        ngini = best.user_attrs["measures"]["validation_ngini"]
        rows.append(f"| {family} | {number} | {ngini:.4f} | {_params(best.user_attrs['all_params'])} |")
    failed = len(study.failures(sweep))
    note = [f"\n{failed} more trials failed; each has its error as a tag."] if failed else []
    return ["| family | trials | validation nGini | best hyperparameters |", "|---|---|---|---|", *rows, *note]


def _members(trained: dict[str, Any]) -> list[str]:
    members = [f"- {m['weight']:.0%} {m['family']}: {_params(m['params'])}" for m in trained["members"]]
    return [*members, f"\nValidation nGini {trained['validation_ngini']:.4f}."]


def _comparison(measured: dict[str, Any]) -> list[str]:
    """The challenger's gain over each rival, by paired bootstrap on the same users."""
    rivals = {f"baseline {name}": side for name, side in measured["baselines"].items()}
    if measured["champion"]:
        rivals = {f"champion, version {measured['champion_version']}": measured["champion"], **rivals}
    rows = [
        f"| {name} | {side['measures']['ngini']:.4f} | {side['gain']['estimate']:+.4f} | "
        f"{side['gain']['standard_error']:.4f} | {side['gain']['better_share']:.0%} |"
        for name, side in rivals.items()
    ]
    return ["| against | its nGini | gain | standard error | better in |", "|---|---|---|---|---|", *rows]


def _data(settings: Settings, snapshot_date: date, split: dict[str, Any]) -> list[str]:
    final = sorted(split["final"])
    return [
        f"- source `{settings.source}`, orders before {snapshot_date}",
        f"- trained on {len(final)} snapshots from {final[0]} to {final[-1]}, labels of {split['label_days']} days",
        f"- validated on {', '.join(sorted(fold['validation'] for fold in split['folds']))}",
        f"- tested on {split['test']}, labels of {split['horizon_days']} days",
    ]


def _params(params: dict[str, Any]) -> str:
    said = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())
    return ", ".join(said) or "none"
