"""What runs where the model is loaded through MLflow: `mlflow models serve`, a notebook, batch scoring.

MLflow keeps this file with the model ("models from code"), beside a copy of `models`, so that a model is loadable
without this repository. It must therefore import nothing else of Purse.
"""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower


class ServedModel(PythonModel):
    """A PurchasingPower under MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model; its pickle is as trustworthy as the registry that it comes from."""
        content = Path(context.artifacts["purchasing_power"]).read_bytes()
        self.purchasing_power: PurchasingPower = pickle.loads(content)  # noqa: S301

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  (MLflow's signature)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """One row per user in, one row per user out: what PurchasingPower.predict gives."""
        return self.purchasing_power.predict(model_input)


mlflow.models.set_model(ServedModel())
