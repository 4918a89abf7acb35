"""How a model is logged: what is sent to MLflow's server as JSON must fit the signature."""

import mlflow
import numpy as np
import pandas as pd

from pipelines.tracking.logged_model import as_json_brings


def test_lists_of_actions_that_come_as_json_fit_the_signature():
    lists = [np.array(of, np.float32) for of in ([1, 2], [], [0.5])]
    example = pd.DataFrame({"spend_28d": [1.0, 2.0, 3.0], "sequence_age": lists})
    signature = mlflow.models.infer_signature(as_json_brings(example))
    assert [str(column.type) for column in signature.inputs] == ["DataType.double", "Array(double)"]
