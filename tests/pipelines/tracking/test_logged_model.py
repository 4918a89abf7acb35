"""How a model is logged: what is sent to MLflow's server as JSON must fit the signature."""

import shutil
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd

from pipelines.settings import REPOSITORY
from pipelines.tracking.logged_model import CODE, with_json_types


def test_lists_of_actions_that_come_as_json_fit_the_signature():
    lists = [np.array(of, np.float32) for of in ([1, 2], [], [0.5])] + [np.nan, None]  # a user without orders
    example = pd.DataFrame({"spend_28d": [1.0, 2.0, 3.0, 4.0, 5.0], "sequence_age": lists})
    signature = mlflow.models.infer_signature(with_json_types(example))
    assert [str(column.type) for column in signature.inputs] == ["DataType.double", "Array(double)"]


def test_logged_code_runs_by_itself_without_the_query_engine(tmp_path):
    for package in CODE:
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import sys; sys.modules['ibis'] = None; sys.path.insert(0, '.'); import models.purchasing_power as of; "
        "from models.encoding import measure_of; print(measure_of('spend_28d'), of.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    measure, file = run.stdout.split()
    assert measure == "spend"
    assert file.startswith(str(tmp_path))
