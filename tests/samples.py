"""Columns of a source, and results of steps for tests that need one and not the step; fields can be changed by name."""

from datetime import date
from typing import Any

from models.promotion import Gain
from pipelines.results.data import Built
from pipelines.results.decision import Compared, Decided, Evaluated, Fidelity
from pipelines.results.scoring import Scored
from pipelines.results.training import Fold, Interval, MemberChoice, PreprocessingFacts, Split, Trained

DAY, TEST = date(2020, 3, 29), date(2020, 3, 1)
GAIN = Gain(0.05, 0.01, 1.0)
COLUMNS = {
    "order_id": "no",
    "product_id": "what",
    "line": "1",
    "user_id": "who",
    "ordered_at": "moment",
    "quantity": "n",
    "unit_price": "price",
    "amount": "n::DOUBLE * price::DOUBLE",
}
"""Expressions of order lines over a file with the columns no, what, who, moment, n and price."""

RUN: dict[str, Any] = {"run_id": "run", "run_url": None}


def built(**changes: Any) -> Built:
    fields = {
        "snapshot_date": DAY,
        "snapshots": [TEST],
        "days_computed": {},
        "rows": 3,
        "rows_without_orders": 0,
        "features": [],
        "left_out": [],
    }
    return Built(**fields | changes)


def split(**changes: Any) -> Split:
    final = date(2020, 2, 2)
    fields = {
        "snapshot_date": DAY,
        "training_id": "2020-03-29-00000001",
        "horizon_days": 28,
        "label_days": 28,
        "folds": (Fold(validation=final, training=(date(2020, 1, 5),)),),
        "final": (final,),
        "test": TEST,
        "rows": {final: 3, TEST: 3},
        "rows_without_orders": 0,
        "features": [],
    }
    return Split(**fields | changes)


def trained(**changes: Any) -> Trained:
    fields = {
        "training_id": "2020-03-29-00000001",
        "model": {"uri": "models:/m-1", "digest": "0" * 64},
        "family": "ridge_rfm",
        "params": {"ridge_rfm.alpha": 0.25},
        "members": [MemberChoice(family="ridge_rfm", weight=1.0, params={"alpha": 0.25})],
        "validation_ngini": 0.5,
        "validation_error": 0.02,
        "level": Interval(expected=10.0, low=9.0, high=11.0),
        "windows": 1.0,
        "cold_start": None,
        "preprocessing": PreprocessingFacts(
            dropped=[], filled=[], winsorised=[], with_gaps=0, with_outliers=0, furthest={}
        ),
    }
    return Trained(**fields | RUN | changes)


def compared(measures: dict[str, float], gain: Gain = GAIN) -> Compared:
    return Compared(measures=measures, gain=gain)


def evaluated(**changes: Any) -> Evaluated:
    fields = {
        "users": 100,
        "measures": {"ngini": 0.5, "bias": 0.1, "decile_wape": 0.2},
        "ngini_interval": (0.4, 0.6),
        "ngini_error": 0.05,
        "bias_error": 0.1,
        "validation_ngini": 0.5,
        "validation_error": 0.02,
        "champion_version": None,
        "champion": None,
        "champion_unusable": None,
        "baselines": {},
        "slices": {},
        "tiers": {},
        "surrogate": Fidelity(r2=0.99, spearman=0.99),
        "flagged_differences": 0,
    }
    return Evaluated(**fields | RUN | changes)


def decided(**changes: Any) -> Decided:
    fields = {
        "outcome": "better",
        "promoted": True,
        "model_name": "purchasing-power",
        "version": "3",
        "numbers": {},
        "description": "Promoted.",
    }
    return Decided(**fields | RUN | changes)


def scored(**changes: Any) -> Scored:
    fields = {
        "snapshot_date": DAY,
        "rows": 3,
        "without_orders": 0,
        "model_version": "1",
        "export": "scores.csv",
        "level": Interval(expected=1000.0, low=800.0, high=1300.0),
        "second_moment": 1.5,
        "tiers": {},
        "data_docs": "index.html",
        "warnings": [],
    }
    return Scored(**fields | changes)
