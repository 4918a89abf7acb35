"""Time and result of fitting BG/NBD and Pareto/NBD to CDNOW, beside the package lifetimes.

    python benchmarks/btyd.py [--runs 5]

Contenders take turns, each in a process of its own that reads the data before the clock starts. CPU seconds count all
threads of the process. The histories are those of 23,570 customers at 1997-10-01 in days, without labels, and the 1/10
sample of the papers in weeks. Both contenders fit without a penalty; lifetimes uses its default starting point.
"""

import argparse
import statistics
import subprocess
import sys
import time
from importlib.metadata import distribution

import numpy as np
import pandas as pd

from models.btyd.purchase_history import PurchaseHistory

CUTOFF = pd.Timestamp("1997-10-01")
SAMPLES = {"all": "23,570 customers, days", "tenth": "2,357 customers, weeks"}
PROCESSES = ("bg_nbd", "pareto_nbd")
CONTENDERS = ("purse", "lifetimes")


def _histories(sample: str) -> PurchaseHistory:
    datasets = distribution("lifetimes").locate_file("lifetimes/datasets")
    if sample == "tenth":
        rows = pd.read_csv(f"{datasets}/cdnow_customers_summary.csv")
        return PurchaseHistory(*rows[["frequency", "recency", "T"]].to_numpy(dtype=np.float64).T)
    orders = pd.read_csv(f"{datasets}/CDNOW_master.txt", sep=r"\s+", skiprows=1, usecols=[0, 1], names=["user", "day"])
    orders["day"] = pd.to_datetime(orders["day"].astype(str), format="%Y%m%d")
    days = orders[orders["day"] < CUTOFF].drop_duplicates().groupby("user")["day"].agg(["count", "min", "max"])
    frequency, recency, tenure = days["count"] - 1, (days["max"] - days["min"]).dt.days, (CUTOFF - days["min"]).dt.days
    return PurchaseHistory(*np.array([frequency, recency, tenure], dtype=np.float64))


def _purse(process: str, history: PurchaseHistory) -> list[float]:
    from dataclasses import astuple

    from models.btyd.maximum_likelihood import fit_process
    from models.btyd.model import PROCESSES as PURSE

    return list(astuple(fit_process(PURSE[process], history, np.zeros(len(history.T), dtype=bool), 0.0, penalty=0.0)))


def _lifetimes(process: str, history: PurchaseHistory) -> list[float]:
    from lifetimes import BetaGeoFitter, ParetoNBDFitter

    fitter = {"bg_nbd": BetaGeoFitter, "pareto_nbd": ParetoNBDFitter}[process]()
    return fitter.fit(*history).params_.tolist()


def run(contender: str, process: str, sample: str) -> None:
    """Fit once; print seconds, CPU seconds, the mean log-likelihood and the parameters."""
    import lifetimes  # noqa: F401 - imported before the clock starts

    from models.btyd.model import PROCESSES as PURSE

    history = _histories(sample)
    fit = {"purse": _purse, "lifetimes": _lifetimes}[contender]
    began, began_cpu = time.perf_counter(), time.process_time()
    parameters = fit(process, history)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    likelihood = float(PURSE[process].log_likelihood(parameters, history)[0].mean())
    print(seconds, cpu, likelihood, *parameters)


def _measure(runs: int, sample: str, process: str) -> dict[str, list[list[float]]]:
    said: dict[str, list[list[float]]] = {contender: [] for contender in CONTENDERS}
    for _ in range(runs):
        for contender in CONTENDERS:
            command = [sys.executable, __file__, "--run", contender, process, sample]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                said[contender].append([float(number) for number in answer.stdout.split()])
            else:
                print(f"{contender}: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return said


def main() -> None:
    """Print the table, or run one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--run", nargs=3, metavar=("CONTENDER", "PROCESS", "SAMPLE"))
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return
    print("| data | model | contender | seconds (median) | min | max | CPU s | mean log-likelihood | parameters |")
    print("|---|---|---|---|---|---|---|---|---|")
    for sample, title in SAMPLES.items():
        for process in PROCESSES:
            for contender, fits in _measure(arguments.runs, sample, process).items():
                if not fits:
                    print(f"| {title} | {process} | {contender} | failed | | | | | |")
                    continue
                seconds = [fit[0] for fit in fits]
                parameters = ", ".join(f"{number:.4g}" for number in fits[0][3:])
                print(
                    f"| {title} | {process} | {contender} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | "
                    f"{max(seconds):.2f} | {statistics.median([fit[1] for fit in fits]):.2f} | {fits[0][2]:.5f} | "
                    f"{parameters} |"
                )


if __name__ == "__main__":
    main()
