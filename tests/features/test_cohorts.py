from datetime import date

import ibis
import pandas as pd

from features.cohorts import cohort_spend


def test_spend_by_first_purchase_day_and_nothing_of_the_future() -> None:
    rows = [
        ("a", date(2024, 1, 1), 2.0, 10.0),
        ("b", date(2024, 1, 1), 1.0, 5.0),
        ("a", date(2024, 1, 3), 1.0, 20.0),
        ("c", date(2024, 1, 2), 0.0, -7.0),  # a return is not a first purchase
        ("c", date(2024, 1, 3), 1.0, 30.0),
        ("a", date(2024, 1, 4), 0.0, -4.0),
        ("d", date(2024, 1, 5), 1.0, 99.0),
    ]
    user_day = ibis.memtable(pd.DataFrame(rows, columns=["user_id", "day", "units_bought", "spend"]))
    found = cohort_spend(user_day.mutate(day=user_day.day.cast("date")), date(2024, 1, 5)).to_pandas()
    spend = {(str(row.first_day)[:10], str(row.day)[:10]): row.spend for row in found.itertuples()}
    assert spend == {
        ("2024-01-01", "2024-01-01"): 15,
        ("2024-01-01", "2024-01-03"): 20,
        ("2024-01-01", "2024-01-04"): -4,
        ("2024-01-03", "2024-01-02"): -7,
        ("2024-01-03", "2024-01-03"): 30,
    }
