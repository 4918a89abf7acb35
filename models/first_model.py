"""What the first model of a shop must show: an order of users that is surely none of chance, and a total that is near.

There is no earlier model to beat, a retraining each night gives noise many tries, and a baseline stands ready.
"""

from dataclasses import dataclass
from typing import Literal

BOUND_ERRORS = 2.0
"""Standard errors by which nGini must lie above the floor, on the validation and on the test windows."""

BIAS_ERRORS = 2.0
"""Standard errors that are allowed to the bias beyond its limit, which they double at most."""


@dataclass(frozen=True)
class Evidence:
    """Measures of a challenger with their standard errors over users.

    Attributes:
        ngini, ngini_error: normalized Gini on the test window.
        validation_ngini, validation_error: mean over the validation windows, out of time.
        bias, bias_error: predicted total over true total of the test window, minus 1.

    >>> Evidence(0.5, 0.05, 0.4, 0.04, bias=0.1, bias_error=0.2).in_words()
    'nGini 0.5000 ± 0.0500, bias +0.10 ± 0.20; on the validation windows nGini 0.4000 ± 0.0400'
    """

    ngini: float
    ngini_error: float
    validation_ngini: float
    validation_error: float
    bias: float
    bias_error: float

    def in_words(self) -> str:
        """The measures with their standard errors."""
        test, validation = f"{self.ngini:.4f} ± {self.ngini_error:.4f}", f"{self.validation_ngini:.4f}"
        bias = f"bias {self.bias:+.2f} ± {self.bias_error:.2f}"
        return f"nGini {test}, {bias}; on the validation windows nGini {validation} ± {self.validation_error:.4f}"


def missing_proof(
    evidence: Evidence, min_ngini: float, max_bias: float
) -> tuple[Literal["floor_unsure", "bias_too_large"], str] | None:
    """Outcome and the unmet requirement; None if the evidence is enough.

    nGini must exceed `min_ngini` by `BOUND_ERRORS` standard errors on both windows. |bias| may exceed `max_bias` by
    `BIAS_ERRORS` standard errors, but never reach twice the limit: a small shop is not refused for chance, and a shop
    whose few large buyers make every total uncertain is not excused by that.

    >>> missing_proof(Evidence(0.5, 0.05, 0.5, 0.05, 0.1, 0.1), min_ngini=0.05, max_bias=0.25)
    >>> missing_proof(Evidence(0.5, 0.05, 0.1, 0.05, 0.1, 0.1), min_ngini=0.05, max_bias=0.25)[0]
    'floor_unsure'
    >>> missing_proof(Evidence(0.5, 0.05, 0.5, 0.05, 0.84, 0.5), min_ngini=0.05, max_bias=0.25)[0]
    'bias_too_large'
    """
    windows = ((evidence.ngini, evidence.ngini_error), (evidence.validation_ngini, evidence.validation_error))
    if not all(ngini - BOUND_ERRORS * error >= min_ngini for ngini, error in windows):  # NaN fails too
        return "floor_unsure", f"nGini above {min_ngini} by {BOUND_ERRORS:g} standard errors on both"
    allowed = max_bias + min(BIAS_ERRORS * evidence.bias_error, max_bias)
    if not abs(evidence.bias) <= allowed:
        beyond = f"±{max_bias} and {BIAS_ERRORS:g} standard errors, at most ±{2 * max_bias}"
        return "bias_too_large", f"|bias| within {beyond}"
    return None
