"""docs/guides/your-own-data.md: everything it shows loads, and leads from an export to features."""

from datetime import date, timedelta

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
from pipelines.settings import load_settings
from pipelines.source.definition import Origin, load_source
from pipelines.validate.step import validate
from tests.docs.bazaar import CSV_PART, FIRST, QUERIES, RATES, SETTINGS, SOURCE, sales


def expected_amounts(frame: pd.DataFrame) -> dict[date, float]:
    """By the shop's day, in CHF, with pandas."""
    local = frame["Created At"].dt.tz_convert("Europe/Zurich")
    later = (local.dt.date >= (FIRST + timedelta(days=10)).date()).astype(int)
    rate = [1.0 if of == "CHF" else RATES[of][which] for of, which in zip(frame["Currency"], later, strict=True)]
    sign = np.where(frame["Type"] == "RETURN", -1, 1)
    amount = sign * (frame["Qty"] * frame["Price"] - frame["Rebate"].fillna(0)) * rate
    return amount.groupby(local.dt.date).sum().to_dict()


def test_the_export_of_the_guide_becomes_features(shop):
    ingest(shop)
    result = validate(shop)
    assert result.tables["order_lines"].rows_quarantined == 1
    kept = tables.read(tables.connect(), shop, "raw/order_lines").to_pandas()
    frame = sales()
    frame.loc[frame.index[-1], "Qty"] += 5
    found = kept.groupby(kept.day.dt.date).amount.sum().to_dict()
    assert found == pytest.approx(expected_amounts(frame))
    built = build_features(shop, result.snapshot_date)
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


def test_the_queries_of_the_guide_are_origins():
    assert [[*Origin.model_validate(shown["from"]).inputs()] for shown in QUERIES] == [
        ["source"],
        ["items", "orders", "customers"],
    ]
