"""Accuracy on Ta-Feng and CDNOW with one setting for both: the model beside the baselines, and each family alone.

    python benchmarks/accuracy.py      (13 min 24 s on 2 shared cores)

Runs `purse backtest` for both, each in its own home under PURSE_HOME, and prints Markdown. A family's row is its first
trial, with its defaults, on the temporal folds before the cutoff; its seconds are the sum over all folds.
"""

from datetime import date

from rich.console import Console

from cli.backtest import MEASURES, Backtest, backtest, own_settings
from pipelines.retraining.study import study
from pipelines.settings import Settings, load_settings

RUNS = (("tafeng", date(2001, 2, 1), 28), ("cdnow", date(1997, 10, 1), 273))


def measures(result: Backtest) -> None:
    """Print the model and the baselines on the test window."""
    evaluated = result.evaluate
    low, high = evaluated.ngini_interval
    window = f"cutoff {result.cutoff}, {result.horizon_days} days, {result.users:,} users"
    print(f"\n## {result.source}, {window}\n")
    print(f"Model: {result.family}. 95 % interval of its nGini: {low:.3f} to {high:.3f}. ", end="")
    print(f"80 % intervals cover {evaluated.measures['interval_coverage']:.1%} of the users.\n")
    titles = [title.replace("-\n", "").replace("\n", " ") for title, _ in MEASURES.values()]
    print("| | " + " | ".join(titles) + " | nGini of the model less this one (standard error) |")
    print("|---" * (len(titles) + 2) + "|")
    sides = {"model": (evaluated.measures, None), **{n: (b.measures, b.gain) for n, b in evaluated.baselines.items()}}
    for name, (values, gain) in sides.items():
        cells = [form.format(values[measure]) for measure, (_, form) in MEASURES.items()]
        lead = f"{gain.estimate:+.4f} ({gain.standard_error:.4f})" if gain else ""
        print(f"| {name} | " + " | ".join([*cells, lead]) + " |")


def families(settings: Settings, training_id: str) -> None:
    """Print each family's first trial."""
    sweep = study.open_sweep(settings, training_id)
    first = [trial for trial in study.finished(sweep) if trial.values and trial.user_attrs["draw"] == 0]
    print("\n| family, defaults | validation nGini | AUC | bias | fit s | predict s |\n|---|---|---|---|---|---|")
    names = {"ngini": ".4f", "auc": ".3f", "bias": "+.2f"}
    for trial in sorted(first, key=lambda trial: -trial.user_attrs["measures"]["validation_ngini"]):
        measured = trial.user_attrs["measures"]
        cells = [format(measured[f"validation_{name}"], form) for name, form in names.items()]
        cells += [f"{measured[name]:.1f}" for name in ("fit_seconds", "predict_seconds")]
        print(f"| {' | '.join([trial.user_attrs['family'], *cells])} |")


def main() -> None:
    """Run both backtests and print their tables."""
    for source, cutoff, horizon_days in RUNS:
        result = backtest(load_settings(), source, cutoff, horizon_days, None, None, None, Console(stderr=True))
        measures(result)
        families(own_settings(load_settings(), source, cutoff, horizon_days, None, None), result.training_id)


if __name__ == "__main__":
    main()
