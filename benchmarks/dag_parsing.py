"""Seconds to parse each DAG file in a fresh process that has imported `airflow.sdk`, as the DAG processor does.

python benchmarks/dag_parsing.py [--runs 5]
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

DAGS = Path(__file__).resolve().parent.parent / "dags"
PARSE = """
import importlib.util, sys, time
import airflow.sdk
from airflow.providers.standard.operators.bash import BashOperator
began = time.perf_counter()
spec = importlib.util.spec_from_file_location("parsed", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(time.perf_counter() - began)
"""


def main() -> None:
    """Print the median, smallest and largest time of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print("| DAG file | median s | min | max |\n|---|---|---|---|")
    for file in sorted(DAGS.glob("*_daily.py")):
        done = [
            subprocess.run([sys.executable, "-c", PARSE, str(file)], capture_output=True, text=True, check=True)
            for _ in range(runs)
        ]
        seconds = [float(one.stdout.split()[-1]) for one in done]
        print(f"| {file.name} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {max(seconds):.3f} |")


if __name__ == "__main__":
    main()
