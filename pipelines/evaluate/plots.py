"""Plot an evaluation on the test snapshot as matplotlib figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.predictions import TIERS
from pipelines.evaluate.compared_models import ComparedModels
from pipelines.evaluate.findings import Findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def calibration_by_decile(deciles: pd.DataFrame) -> "Figure":
    """Plot mean predicted and mean true spend (money) by decile of users; see `findings.deciles`."""
    figure, axes = _figure("Calibration by decile", "decile of expected spend", "mean spend per user")
    axes.bar(deciles["decile"] - 0.2, deciles["mean_expected"], 0.4, label="expected")
    axes.bar(deciles["decile"] + 0.2, deciles["mean_spend"], 0.4, label="true")
    axes.set_xticks(deciles["decile"])
    axes.legend()
    return figure


def gain_curve(future_spend: ArrayLike, predictions: Mapping[str, ArrayLike]) -> "Figure":
    """Plot the cumulative share of spend, highest prediction first, for each model and the perfect order."""
    spend = np.maximum(np.asarray(future_spend, dtype=float), 0)
    figure, axes = _figure("Gain curve", "share of users, highest prediction first", "share of spend")
    users = np.linspace(0, 1, len(spend) + 1)
    for name, prediction in {**predictions, "perfect order": spend}.items():
        order = np.argsort(-np.asarray(prediction, dtype=float), kind="stable")
        cumulative = np.concatenate([[0.0], np.cumsum(spend[order])]) / max(spend.sum(), 1e-12)
        axes.plot(users, cumulative, label=name, linestyle=":" if name == "perfect order" else "-")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.legend()
    return figure


def score_distribution(expected_spend: ArrayLike, tier: ArrayLike) -> "Figure":
    """Plot a histogram of expected spend (money, log scale) by tier."""
    expected, tiers = np.asarray(expected_spend, dtype=float), np.asarray(tier, dtype=str)
    figure, axes = _figure("Expected spend by tier", "expected spend + 1", "users")
    bins = np.geomspace(1, max(float(expected.max()) + 1, 2), 40)
    names = [name for name in reversed(TIERS) if (tiers == name).any()]
    axes.hist([expected[tiers == name] + 1 for name in names], bins=bins.tolist(), stacked=True, label=names)
    axes.set_xscale("log")
    axes.legend()
    return figure


def feature_importance(importances: pd.DataFrame, largest: int = 20) -> "Figure":
    """Plot the features that move the score most (see `Reasons.importances`); red: a higher value lowers the score."""
    top = importances.head(largest).iloc[::-1]
    figure, axes = _figure("What moves the score", "mean effect, in points of the score", "")
    axes.barh(top["feature"], top["effect"], color=["tab:red" if way < 0 else "tab:blue" for way in top["direction"]])
    return figure


def _figure(title: str, x: str, y: str) -> tuple["Figure", "Axes"]:
    """Make a figure without pyplot, which keeps figures in memory and may need a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def figures(compared: ComparedModels, findings: Findings) -> dict[str, "Figure"]:
    """Draw all plots, by name."""
    spend, expected = compared.users.future_spend, compared.challenger["expected_spend"]
    expected_by_model = {
        "challenger": expected,
        **{name: predictions["expected_spend"] for name, predictions in compared.baselines.items()},
    }
    if compared.champion is not None:
        expected_by_model["champion"] = compared.champion["expected_spend"]
    return {
        "calibration": calibration_by_decile(findings.deciles),
        "gain_curve": gain_curve(spend, expected_by_model),
        "score_distribution": score_distribution(expected, compared.challenger["tier"]),
        "feature_importance": feature_importance(findings.importances),
    }
