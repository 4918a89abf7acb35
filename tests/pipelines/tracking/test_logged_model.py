"""How a model is logged: what is sent to MLflow's server as JSON must fit the signature."""

import mlflow
import numpy as np
import pandas as pd

from pipelines.tracking.logged_model import with_json_types


def test_lists_of_actions_that_come_as_json_fit_the_signature():
    lists = [np.array(of, np.float32) for of in ([1, 2], [], [0.5])]
    example = pd.DataFrame({"spend_28d": [1.0, 2.0, 3.0], "sequence_age": lists})
    signature = mlflow.models.infer_signature(with_json_types(example))
    assert [str(column.type) for column in signature.inputs] == ["DataType.double", "Array(double)"]
