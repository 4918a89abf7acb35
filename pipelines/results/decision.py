"""Results of the steps from the evaluation to the decision."""

from models.promotion import Gain, Outcome
from pipelines.results.result import Result, Value


class Compared(Value):
    """Measures of a model on the test users, and the challenger's gain over it."""

    measures: dict[str, float]
    gain: Gain


class Slice(Value):
    """Measures of a slice of the test users; `gain` is over the champion."""

    users: int
    ngini: float
    bias: float
    mean_spend: float
    mean_expected: float
    high_share: float
    gain: Gain | None


class TierShare(Value):
    """Users of a predicted tier, and their share of all users and of true spend."""

    users: int
    user_share: float
    spend_share: float


class Fidelity(Value):
    """Fidelity of the trees behind the reasons to the score."""

    r2: float
    spearman: float


class Evaluated(Result):
    """Measures on the test snapshot.

    Attributes:
        ngini_error, bias_error: standard errors of both over users.
        champion: None if no champion exists or it is unusable.
        champion_baseline: name of the baseline that the champion is; None for a model.
        stand_in: name of the baseline that was trained beside the model.
    """

    step = "evaluate"
    command = "evaluate"
    users: int
    measures: dict[str, float]
    ngini_interval: tuple[float, float]
    ngini_error: float
    bias_error: float
    validation_ngini: float
    validation_error: float
    champion_version: str | None
    champion: Compared | None
    champion_unusable: str | None
    champion_baseline: str | None = None
    stand_in: str | None = None
    baselines: dict[str, Compared]
    slices: dict[str, Slice]
    tiers: dict[str, TierShare]
    surrogate: Fidelity
    flagged_differences: int
    run_id: str
    run_url: str | None


class Registered(Result):
    """Registered version of the model."""

    step = "register"
    command = "register"
    model_name: str
    version: str
    alias: str
    run_id: str
    run_url: str | None


class Decided(Result):
    """Decision on the challenger, with the numbers that it is based on and a mark of the settings of the gate.

    Attributes:
        promoted: whether `version` became the champion.
        version: the challenger, or the baseline that became champion because the challenger was refused.
        refused: the refused challenger's version where a baseline became champion.
        baseline: name of this baseline.
    """

    step = "promote"
    command = "promote"
    gate: str = ""
    outcome: Outcome
    promoted: bool
    model_name: str
    version: str
    refused: str | None = None
    baseline: str | None = None
    numbers: dict[str, float]
    description: str
    run_id: str
    run_url: str | None
