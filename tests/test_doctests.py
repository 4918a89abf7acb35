"""The examples in docstrings run, and every public name of the packages in `REQUIRED` has one."""

import dataclasses
import doctest
import importlib
import inspect
import os
from enum import EnumType
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "models", "expectations")
REQUIRED = ("models", "features", "expectations")
"""Packages whose public functions and classes all need an example."""

TRAINING_SET = "needs a training set with most features; `catalog.build` and `protocol.LabelledUsers` show the calls"
EVENTS = "needs tables of events and sessions"
NETWORK = "needs a compiled network, which takes seconds"
EXEMPT = {
    "models.networks.quiet.load_keras": "loads TensorFlow, which takes seconds",
    "models.networks.quiet.without_noise": "writes to the process's stderr",
    **{
        f"models.families.{family}": TRAINING_SET
        for family in (
            "bagging.Bagging",
            "forest.Forest",
            "gradient_boosting.GradientBoosting",
            "lightgbm.BoostedSpend",
            "linear.LinearSpend",
            "logistic.Logistic",
            "svm.SupportVectors",
        )
    },
    **{
        f"models.networks.{name}": NETWORK
        for name in (
            "architectures.build",
            "checkpoints.Checkpoint",
            "checkpoints.fingerprint",
            "heads.two_part_loss",
            "heads.ziln_loss",
            "on_device.epoch_runner",
            "spend_network.SpendNetwork",
            "training.compile_for",
            "training.on_gpu",
            "training.train",
        )
    },
    **{
        f"models.btyd.covariates.{name}": "a stage of the fit that `BuyTillYouDie` shows"
        for name in ("Effects", "descend_with_effects", "fit_effects", "loss_with_effects")
    },
    "models.btyd.maximum_likelihood.Observed": "made by `observe`, which shows it",
    "models.btyd.pareto_nbd.WhenLeft": "a stage of `log_likelihood`, which has an example",
    "models.cold_start.learning.fit": "needs four cohorts of hundreds of users",
    "models.cold_start.model.ColdStart": "made by `models.cold_start.learning.fit`",
    "models.purchasing_power.PurchasingPower": "made by `build`, which shows it",
    "features.daily.events.user_event_day": EVENTS,
    "features.visits.user_visits": EVENTS,
    "expectations.context.make_context": "needs Great Expectations, which takes seconds to import",
    "expectations.pages.write_pages": "writes a folder of pages",
}
"""Why a public name has no example."""


def modules(package: str) -> list[str]:
    paths = sorted((ROOT / package).rglob("*.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


def public(module: ModuleType) -> dict[str, object]:
    """Public functions and classes that a module defines, by qualified name."""
    named = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    own = ((name, value) for name, value in named if getattr(value, "__module__", None) == module.__name__)
    return {
        f"{module.__name__}.{name}": value
        for name, value in own
        if inspect.isfunction(value) or isinstance(value, type)
    }


def needs_no_example(value: object) -> bool:
    """Say whether it is a protocol, or a record: an enum, dataclass or named tuple without public methods."""
    if getattr(value, "_is_protocol", False):
        return True
    if not (dataclasses.is_dataclass(value) or hasattr(value, "_fields") or isinstance(value, EnumType)):
        return False
    return not any(inspect.isfunction(part) for name, part in vars(value).items() if name[0] != "_")


def examples(value: object) -> int:
    found = doctest.DocTestFinder(recurse=True, exclude_empty=True).find(value)
    return sum(len(test.examples) for test in found)


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in modules(package)])
def test_examples_run(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0


@pytest.mark.parametrize("name", [name for package in REQUIRED for name in modules(package)])
def test_every_public_name_has_an_example(name):
    values = public(importlib.import_module(name))
    without = {name for name, value in values.items() if not (needs_no_example(value) or examples(value))}
    assert without == {name for name in values if name in EXEMPT}, "add an example, or a reason to EXEMPT"


def test_exempt_names_exist():
    for name in EXEMPT:
        module, _, value = name.rpartition(".")
        assert value in vars(importlib.import_module(module)), name
