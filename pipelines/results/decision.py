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
    """Measures on the test snapshot; `champion` is None if no champion exists or it is unusable."""

    step = "evaluate"
    command = "evaluate"
    users: int
    measures: dict[str, float]
    ngini_interval: tuple[float, float]
    champion_version: str | None
    champion: Compared | None
    champion_unusable: str | None
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
    """Decision on the challenger, with the numbers that it is based on and a mark of the settings of the gate."""

    step = "promote"
    command = "promote"
    gate: str = ""
    outcome: Outcome
    promoted: bool
    model_name: str
    version: str
    numbers: dict[str, float]
    description: str
    run_id: str
    run_url: str | None
