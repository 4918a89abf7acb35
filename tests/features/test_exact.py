"""The order of rows and the number of threads change no bit of a feature."""

import math
from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from features.build import build
from features.definitions import FEATURES
from features.exact import exact_sum, rounded

SNAPSHOT = date(2024, 4, 1)


def test_no_bit_depends_on_the_order_of_the_rows(random_lines, random_products, random_events, daily):
    wanted = [feature for feature in FEATURES if feature.table != "users"]
    found = []
    for seed in range(3):
        shuffled = ibis.duckdb.connect(threads=seed + 1)
        for name, rows in (("lines", random_lines), ("events", random_events), ("products", random_products)):
            read = rows.to_pyarrow()
            mixed = read.take(np.random.default_rng(seed).permutation(len(read)))
            shuffled.create_table(name, ibis.memtable(mixed), temp=True)
        lines = shuffled.table("lines").mutate(discount=0.1)
        lines = lines.mutate(unit_cost=lines.unit_price / 3)
        tables = daily(lines, shuffled.table("products"), events=shuffled.table("events"))
        found.append(build(tables, SNAPSHOT, wanted).to_pandas().sort_values("user_id", ignore_index=True))
    assert found[0].shape == (40, 1 + len(wanted))
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other, check_exact=True)


@pytest.mark.parametrize("magnitude", [1e-6, 1.0, 1e4, 1e12])
def test_a_sum_is_that_of_exact_arithmetic(magnitude):
    values = np.round(np.random.default_rng(3).normal(0, magnitude, 1_000), 6)
    total = exact_sum(ibis.memtable({"value": values}).value).execute()
    assert total == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-9)


@pytest.mark.parametrize(("value", "digits"), [(math.pi * 1e7, 31_415_926.5), (-2 / 3, -0.666666667), (5e-14, 0.0)])
def test_nine_digits_stay(value, digits):
    assert rounded(ibis.memtable({"value": [value]}).value).execute().tolist() == [digits]
