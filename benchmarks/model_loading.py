"""Time to load the champion, verified from its sealed files, beside MLflow's own loader.

    PURSE_HOME=var python benchmarks/model_loading.py

Needs a home with a champion, as after `make demo`. Both loaders run alternately in one process, after each has imported
its libraries; the figures are medians. `verified` fetches a private copy, takes the digest of every file, compares it
with the seal and reads the model; its parts are timed apart.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import mlflow

from models import storage
from pipelines.settings import load_settings
from pipelines.tracking import seals
from pipelines.tracking.champion import champion_version
from pipelines.tracking.logged_model import NAME, fetch, load_version
from pipelines.tracking.runs import connect

TIMES = 15


def main() -> None:
    """Print the table."""
    settings = load_settings()
    client, version = connect(settings), champion_version(settings)
    source = str(client.get_model_version(settings.mlflow.model_name, version).source)
    with tempfile.TemporaryDirectory() as folder:
        path = fetch(settings, source, Path(folder))
        parts: dict[str, Callable[[], object]] = {
            "MLflow's own loader": lambda: mlflow.pyfunc.load_model(source),
            "verified": lambda: load_version(settings, version),
            "its digest alone": lambda: seals.digest(path),
            "its reading alone": lambda: storage.read(path / "artifacts" / NAME),
        }
        size = sum(file.size for file in seals.files(path))
        seconds: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(TIMES + 1):  # the first one imports
            for name, load in parts.items():
                started = perf_counter()
                load()
                seconds[name].append(perf_counter() - started)
    print(f"Version {version}, {size / 1e6:.1f} MB, medians of {TIMES}\n")
    print("| | ms |\n|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {1000 * statistics.median(values[1:]):.0f} |")


if __name__ == "__main__":
    main()
