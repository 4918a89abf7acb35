"""The shop of docs/guides/your-own-data.md and its export."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from pipelines.settings import REPOSITORY
from tests.docs.blocks import blocks

GUIDE = REPOSITORY / "docs" / "guides" / "your-own-data.md"
SOURCE, CSV_PART, *QUERIES, SETTINGS = (yaml.safe_load(block.text) for block in blocks("yaml", GUIDE))
FIRST, DAYS = datetime(2025, 3, 1, tzinfo=UTC), 45
"""Over the change of the clock on 30 March."""

RATES = {"EUR": [0.95, 0.97], "USD": [0.9, 0.8]}
"""From FIRST on, and from ten days after it on."""


def sales() -> pd.DataFrame:
    random = np.random.default_rng(0)
    count = 600
    frame = pd.DataFrame(
        {
            "Order No": [f"A{n // 2}" for n in range(count)],
            "SKU": [f"S{n}" for n in random.integers(0, 9, count)],
            "Pos.": np.arange(count) % 2,
            "Customer": [f"K{n // 2 % 40}" for n in range(count)],
            "Created At": [FIRST + timedelta(minutes=int(m)) for m in random.integers(0, DAYS * 24 * 60, count)],
            "Type": random.choice(["SALE", "RETURN"], count, p=[0.9, 0.1]),
            "Qty": random.integers(1, 4, count),
            "Price": random.integers(4, 80, count) / 4,
            "Rebate": np.where(random.random(count) < 0.2, 0.5, np.nan),
            "Currency": random.choice(["CHF", "EUR", "USD"], count),
        }
    )
    return frame.astype({"Created At": "datetime64[us, UTC]"})


def write_export(folder: Path) -> None:
    """Write shop.yaml and the files that it names."""
    exports = folder / "exports"
    exports.mkdir()
    frame = sales()
    frame.to_parquet(exports / "sales_2025.parquet", index=False)
    again = frame.tail(1).assign(Qty=frame["Qty"].iloc[-1] + 5)  # the same line, exported anew
    again.to_parquet(exports / "sales_2025b.parquet", index=False)
    pd.DataFrame({"Article": [f"S{n}" for n in range(9)], "Group": "food"}).to_parquet(exports / "catalogue.parquet")
    days = [FIRST.date(), FIRST.date() + timedelta(days=10)]
    lines = [f"{code},{day},{rate}" for code, rates in RATES.items() for day, rate in zip(days, rates, strict=True)]
    (exports / "rates.csv").write_text("\n".join(["currency,valid_from,rate", *lines]))
    (folder / "shop.yaml").write_text(yaml.safe_dump(SOURCE))
