"""docs/guides/your-own-data.md: everything it shows loads, and leads from an export to features."""

import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import yaml

from features.definitions import FEATURES
from models.preprocessing import Preprocessing
from pipelines.build_features.step import build_features
from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.settings import REPOSITORY, load_settings
from pipelines.source.definition import load_source
from pipelines.validate.step import validate

GUIDE = (REPOSITORY / "docs" / "guides" / "your-own-data.md").read_text()
SOURCE, CSV_PART, SETTINGS = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))
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


def expected_amounts(frame: pd.DataFrame) -> dict[date, float]:
    """By the shop's day, in CHF, with pandas."""
    local = frame["Created At"].dt.tz_convert("Europe/Zurich")
    later = (local.dt.date >= (FIRST + timedelta(days=10)).date()).astype(int)
    rate = [1.0 if of == "CHF" else RATES[of][which] for of, which in zip(frame["Currency"], later, strict=True)]
    sign = np.where(frame["Type"] == "RETURN", -1, 1)
    amount = sign * (frame["Qty"] * frame["Price"] - frame["Rebate"].fillna(0)) * rate
    return amount.groupby(local.dt.date).sum().to_dict()


@pytest.fixture
def shop(tmp_path, settings):
    """The shop of the guide, with its export."""
    exports = tmp_path / "exports"
    exports.mkdir()
    frame = sales()
    frame.to_parquet(exports / "sales_2025.parquet", index=False)
    again = frame.tail(1).assign(Qty=frame["Qty"].iloc[-1] + 5)  # the same line, exported anew
    again.to_parquet(exports / "sales_2025b.parquet", index=False)
    pd.DataFrame({"Article": [f"S{n}" for n in range(9)], "Group": "food"}).to_parquet(exports / "catalogue.parquet")
    days = [FIRST.date(), FIRST.date() + timedelta(days=10)]
    lines = [f"{code},{day},{rate}" for code, rates in RATES.items() for day, rate in zip(days, rates, strict=True)]
    (exports / "rates.csv").write_text("\n".join(["currency,valid_from,rate", *lines]))
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(SOURCE))
    return settings.with_changes(source=str(tmp_path / "shop.yaml"), sweep__families=["ridge_rfm"])


def test_the_export_of_the_guide_becomes_features(shop):
    ingest(shop)
    result = validate(shop)
    assert result.tables["order_lines"].rows_quarantined == 1
    kept = tables.read(tables.connect(), shop, "raw/order_lines").to_pandas()
    frame = sales()
    frame.loc[frame.index[-1], "Qty"] += 5
    found = kept.groupby(kept.day.dt.date).amount.sum().to_dict()
    assert found == pytest.approx(expected_amounts(frame))
    built = build_features(shop, date.fromisoformat(result.snapshot_date))
    assert built.rows == frame.loc[frame["Type"] == "SALE", "Customer"].nunique()
    assert {"return_rate_28d", "price_level_28d"} & set(built.features)
    assert "age_band" in built.left_out


def test_the_part_for_csv_fits_the_source(shop, tmp_path):
    lines = SOURCE["tables"]["order_lines"] | {"from": CSV_PART["tables"]["order_lines"]["from"]}
    source = SOURCE | {"tables": SOURCE["tables"] | {"order_lines": lines}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(source))
    assert load_source(shop).tables["order_lines"].origin.encoding == "latin-1"
    with pytest.raises(PurseError, match=r"orders-.*matches nothing"):
        ingest(shop)


def test_the_settings_fit_and_their_policies_find_features(tmp_path, monkeypatch):
    (tmp_path / "shop-settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    monkeypatch.setenv("PURSE_CONFIG", str(tmp_path / "shop-settings.yaml"))
    loaded = load_settings()
    assert loaded.ingest.lookback_days == 7
    declared = loaded.preprocessing
    features = pd.DataFrame({feature.name: [1.0, 2.0, np.nan] for feature in FEATURES})
    fitted = Preprocessing(declared.missing, declared.outliers, declared.winsorise).fit(features)
    assert "spend_28d" in fitted.limits
    assert fitted.fills


def test_every_rule_that_the_guide_names_is_one():
    from expectations.suites import SUITES

    names = {rule.name for rule in SUITES["order_lines"](("amount", "quantity"))}
    assert {"readable", "first_of_its_key", "amount_not_negative_when_bought"} <= names
