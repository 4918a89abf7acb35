"""MLflow's entry point to a logged model, run by `mlflow models serve` and notebooks.

MLflow stores this file with the model ("models from code"), beside copies of `features` and `models`, so that the model
loads without this repository. The file must therefore import nothing else from Purse.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower


class ServedModel(PythonModel):
    """Adapter of a PurchasingPower to MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model; like MLflow itself, this believes the registry. Purse reads models by `logged_model`."""
        from models import storage

        self.purchasing_power: PurchasingPower = storage.read(Path(context.artifacts["purchasing_power"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  (MLflow's signature)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Predict one row per user; see `PurchasingPower.predict`."""
        return self.purchasing_power.predict(model_input)


mlflow.models.set_model(ServedModel())
