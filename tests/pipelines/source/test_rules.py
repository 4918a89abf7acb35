"""Rules of a person's own: proposed from the raw tables, read by validation, refused with a plain message."""

from datetime import date, datetime, time, timedelta

import pyarrow as pa
import pytest

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings, load_settings
from pipelines.source.rules import OwnRules, rules_path
from pipelines.validate.proposals import propose
from pipelines.validate.step import validate

DAY = date(2001, 1, 1)


@pytest.fixture
def settings(tmp_path) -> Settings:
    source = str(tmp_path / "shop.yaml")
    changes = {"home": str(tmp_path / "home"), "source": source, "ingest__max_quarantined_share": 0.6}
    return load_settings().with_changes(**changes)


def stage(settings: Settings, table: str, time_column: str, **columns: list) -> None:
    size = len(next(iter(columns.values())))
    days = [DAY + timedelta(days=n % 2) for n in range(size)]
    rows = {**columns, time_column: [datetime.combine(day, time()) for day in days]}
    staged = {"source_file": ["f"] * size, "source_line": list(range(size)), "fault": pa.nulls(size, pa.string())}
    tables.replace(settings, f"staging/{table}", pa.table({**rows, **staged, "day": days}), "day", date.min, date.max)


@pytest.fixture
def shop(settings) -> Settings:
    size = 40
    stage(
        settings,
        "order_lines",
        "ordered_at",
        order_id=[str(n) for n in range(size)],
        product_id=["p"] * size,
        line=[1] * size,
        user_id=["1"] * size,
        quantity=[1.0] * size,
        unit_price=[float(n) for n in range(size)],
        amount=[float(n) for n in range(size)],
        discount=[None, 1.0] * (size // 2),
    )
    stage(settings, "users", "valid_from", user_id=["1", "2"], gender=["f", "m"])
    return settings


def write(settings: Settings, table: str, text: str) -> None:
    path = rules_path(settings, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_first_load_leaves_profiles_and_the_proposal_holds(shop):
    assert validate(shop).tables["order_lines"].rows_kept == 40
    profile = (shop.home_path / "profiles" / "order_lines.yaml").read_text()
    written = propose(shop)["proposed"]
    assert set(written) == {"order_lines", "users"}
    text = rules_path(shop, "order_lines").read_text()
    assert text == profile
    assert "# found 0 to 39, median" in text
    assert "{column: amount, min: 0, max: 58.5, severity: warning}" in text
    assert "{column: discount, max_null_share: 0.01" not in text  # half is missing: no share is proposed
    assert "{column: gender, values: [f, m], severity: warning}" in rules_path(shop, "users").read_text()
    assert "{column: user_id, unique: true, severity: warning}" in rules_path(shop, "users").read_text()
    said = validate(shop)
    assert not any("own_" in line for line in said.warnings)
    assert said.tables["order_lines"].rows_in == 40, "other rules reopen every day"


def test_what_a_person_edited_is_never_overwritten(shop):
    validate(shop)
    write(shop, "users", "rules: []  # mine\n")
    said = propose(shop, "users")["proposed"]["users"]
    assert said["file"].endswith("users.proposed.yaml")
    assert rules_path(shop, "users").read_text() == "rules: []  # mine\n"


def test_rules_quarantine_or_warn_by_their_severity(shop):
    write(
        shop,
        "order_lines",
        "rules:\n- {column: amount, max: 36, severity: critical}\n- {column: unit_price, min: 10}\n"
        "- {column: discount, max_null_share: 0.25}\n- {column: user_id, unique: true}\n",
    )
    said = validate(shop)
    assert said.tables["order_lines"].reasons == {"own_amount_from_any_to_36": 3}
    broken = [line.split("'")[1] for line in said.warnings if "own_" in line]
    own = ["own_unit_price_from_10_to_any", "own_discount_seldom_null", "own_user_id_unique"]
    assert broken == [*own, "own_amount_from_any_to_36"]  # the last took 1 % of the rows or more


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [", "are not YAML"),
        ("rule: []", r"rule: unknown key"),
        ("rules: [{column: amount, maximum: 3}]", r"rules.0.maximum: unknown key"),
        ("rules: [{column: amount}]", "expected one of 'min' and 'max'.*found none"),
        ("rules: [{column: amount, min: 3, max: 1}]", "min 3 is above max 1"),
        ("rules: [{column: amount, min: 1, unique: true}]", "expected one of"),
        ("rules: [{column: amount, min: low}]", r"rules.0.min: .*number.*found 'low'"),
        ("rules: [{column: colour, unique: true}]", "'colour' is unknown; the table has order_id"),
        ("rules: [{column: user_id, min: 3}]", "need a column of numbers, and 'user_id' is a VARCHAR"),
        ("rules: [{column: user_id, values: [105]}]", "must be text; put quotes around them .found 105"),
        ("rules: [{column: amount, min: 1}, {column: amount, max: 9}]", "rules.1: 'amount' has two rules"),
        ("rules: [{column: user_id, unique: true, severity: critical}]", "set severity to warning"),
        ("rules: [{column: user_id, unique: true, severity: bad}]", r"rules.0.severity.*found 'bad'"),
    ],
)
def test_a_wrong_file_says_where_and_what_to_do(settings, text, message):
    write(settings, "order_lines", text)
    with pytest.raises(PurseError, match=rf"(?s)order_lines.yaml.*{message}.*purse expectations propose order_lines"):
        OwnRules(settings)


def test_propose_before_the_first_load_or_for_no_table(settings):
    with pytest.raises(PurseError, match="Run 'purse ingest' and 'purse validate' first"):
        propose(settings)
    with pytest.raises(PurseError, match="no table 'orders'; expected one of order_lines"):
        propose(settings, "orders")


def test_an_empty_table_has_nothing_to_propose(shop):
    validate(shop)
    tables.replace_days(shop, "raw/users", pa.table({"user_id": ["x"], "day": [DAY]}).slice(1).to_reader, None, {})
    propose(shop, "users")
    assert "nothing can be proposed" in rules_path(shop, "users").read_text()
    OwnRules(shop)
