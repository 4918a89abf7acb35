"""Write the proposal: a source file whose comments name what is unsure."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.ingest.guess.columns import Match, currencies, known_names, matches, normalised
from pipelines.ingest.guess.identities import proposed, whole_numbers
from pipelines.ingest.guess.sample import Sample, samples
from pipelines.source.forms.names import quoted
from pipelines.source.forms.times import ISO
from pipelines.source.presets import Preset, presets

NEEDED = {
    "order_lines": ("user_id", "ordered_at"),
    "users": ("user_id",),
    "products": ("product_id",),
    "events": ("user_id", "occurred_at", "event_type"),
}
"""Columns without which a file is not this table."""


@dataclass
class Proposal:
    """Text of a source file, what is unsure about it, and a preset that fits better."""

    text: str
    unsure: list[str] = field(default_factory=list)
    preset: Preset | None = None


@dataclass
class Draft:
    """One table: expressions by column, and what is unsure."""

    sample: Sample
    decimal: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    user_ids: list[str] = field(default_factory=list)


def guess(files: list[Path], target: Path, timezone: str | None, cache: Path, *, sheet: str | None = None) -> Proposal:
    """Propose a source file for files; paths count from the folder of `target`.

    Raises:
        PurseError: no file has the columns of order lines; the message says what is missing.
    """
    found = samples(files, sheet, cache)
    for preset in presets():
        if any(preset.recognises(sample.columns) for sample in found):
            return Proposal("", preset=preset)
    tables: dict[str, Draft] = {}
    for sample in found:
        table, matched = _table(sample)
        if table and table not in tables:
            tables[table] = _order_lines(sample, matched) if table == "order_lines" else _others(table, sample, matched)
    if "order_lines" not in tables:
        raise PurseError(_missing(found))
    unsure = [f"{name}.{column}: {why}" for name, draft in tables.items() for column, why in draft.unsure.items()]
    if not timezone:
        unsure.insert(0, "timezone: UTC is taken; give the shop's by --timezone, because a day ends at midnight there")
    unsure += [one for draft in tables.values() for one in _currency(draft)]
    users = [draft for draft in tables.values() if draft.user_ids]
    identities = proposed([one for draft in users for one in draft.user_ids], sum(draft.sample.rows for draft in users))
    unsure += identities.values()
    return Proposal(_text(tables, target, timezone, identities), unsure)


def _table(sample: Sample) -> tuple[str | None, dict[str, Match]]:
    """The canonical table that a file fits best: that with the most of its needed columns and values."""
    fitting = {}
    for table, needed in NEEDED.items():
        found = matches(table, sample.columns)
        if all(name in found for name in needed):
            fitting[table] = found
    if "order_lines" in fitting and {"unit_price", "amount"} & fitting["order_lines"].keys():
        return "order_lines", fitting["order_lines"]
    for table in ("events", "users", "products"):
        if table in fitting:
            return table, fitting[table]
    return None, {}


def _order_lines(sample: Sample, found: Mapping[str, Match]) -> Draft:
    draft = _start(sample, found)
    value = {name: _expression(name, match, draft) for name, match in found.items()}
    time, user = value["ordered_at"], value["user_id"]
    if "order_id" not in value:
        value["order_id"] = f"{user} || '-' || CAST({time} AS DATE)"
        draft.unsure["order_id"] = "no column has orders; all lines of a customer on one day are one order"
    if "product_id" not in value:
        value["product_id"] = "'unknown'"
        draft.unsure["product_id"] = "no column has products"
    if "line" not in value:
        value["line"] = "_line"
    if "quantity" not in value:
        value["quantity"] = "1"
        draft.unsure["quantity"] = "no column has quantities; 1 is taken"
    _money(value, draft)
    quantity = found.get("quantity")
    if quantity and not any(text.strip().startswith(("-", "(")) for text in sample.columns[quantity.name]):
        draft.unsure.setdefault("quantity", "none is negative in the rows looked at; a return must be, with its amount")
    draft.columns = value
    return draft


def _money(value: dict[str, str], draft: Draft) -> None:
    """Complete unit price and amount from each other."""
    if "amount" in value and "unit_price" in value:
        draft.unsure["amount"] = (
            "is it the total of the line, after discounts? If it is the order's, each line repeats it"
        )
    elif "amount" in value:
        value["unit_price"] = f"abs({value['amount']} / nullif({value['quantity']}, 0))"
    else:
        rebate = f" - {value['discount']}" if "discount" in value else ""
        value["amount"] = f"{value['quantity']} * {value['unit_price']}{rebate}"


def _others(table: str, sample: Sample, found: Mapping[str, Match]) -> Draft:
    draft = _start(sample, found)
    draft.columns = {name: _expression(name, match, draft) for name, match in found.items()}
    if table == "events" and "event_id" not in draft.columns:
        draft.columns["event_id"] = "_file || '-' || _line"
        draft.unsure["event_id"] = "no column has it; the number of the row stands for it"
    return draft


def _start(sample: Sample, found: Mapping[str, Match]) -> Draft:
    """Draft with the decimal mark that its numbers without signs of currencies share."""
    forms = [match.numbers for match in found.values() if match.numbers]
    marks = {
        form.decimal for form in forms if form.decimal and not form.ambiguous and not form.symbols and not form.plain
    }
    given = sample.columns[found["user_id"].name] if "user_id" in found else []
    user_ids = [one[:-2] for one in given] if whole_numbers(given) else given  # as the expression does
    return Draft(sample, decimal="," if marks == {","} else None, user_ids=user_ids)


def _expression(target: str, match: Match, draft: Draft) -> str:
    name = quoted(match.name)
    if normalised(match.name) not in known_names_of(target):
        draft.unsure[target] = f"'{match.name}' is taken by a part of its name"
    if match.others:
        draft.unsure[target] = f"'{match.name}' is taken; {', '.join(map(repr, match.others))} would do too"
    if match.times:
        return _time(target, match, draft)
    if match.numbers and target != "line":
        return _number(target, match, draft)
    if target.endswith("_id") and whole_numbers(draft.sample.columns[match.name]):
        return f"regexp_replace({name}, '[.]0$', '')"
    return name


def _time(target: str, match: Match, draft: Draft) -> str:
    name, first = quoted(match.name), match.times[0]
    looked_at = min(len(draft.sample.columns[match.name]), 1_000)
    if len(match.times) > 1:
        other = match.times[1]
        draft.unsure[target] = (
            f"'{match.name}' fits {first.form} ({first.first:%Y-%m-%d} to {first.last:%Y-%m-%d}) and {other.form} "
            f"({other.first:%Y-%m-%d} to {other.last:%Y-%m-%d}); the first is taken"
        )
    elif first.fits < looked_at:
        draft.unsure[target] = f"{first.form} fits {first.fits} of {looked_at} values of '{match.name}'"
    return name if first.form == ISO else first.sql.replace("{}", name)


def _number(target: str, match: Match, draft: Draft) -> str:
    name, form = quoted(match.name), match.numbers
    if form is None or form.plain or (draft.decimal == "," and not form.symbols and not form.brackets):
        if form and form.ambiguous:
            draft.unsure[target] = (
                f"'{form.example}' of '{match.name}' is read as it is; is its mark a thousands separator?"
            )
        return name
    if form.ambiguous:
        draft.unsure[target] = (
            f"'{form.example}' of '{match.name}' may be thousands; its mark is taken for a decimal mark"
        )
    return form.sql(name)


def _currency(draft: Draft) -> Iterable[str]:
    found = currencies(draft.sample.columns)
    if found and len(found[1]) > 1:
        yield (
            f"currency: '{found[0]}' has {', '.join(found[1][:5])}: amounts are added as they are. Declare 'currency' "
            "and rates, as the guide to your own data shows"
        )


def known_names_of(target: str) -> set[str]:
    """Every known name of a column, in any table."""
    return {name for columns in known_names().values() for name in columns.get(target, [])}


def _missing(found: list[Sample]) -> str:
    listed = "; ".join(f"{sample.files[0].name}: {', '.join(list(sample.columns)[:12])}" for sample in found)
    lacking = {
        name for name in NEEDED["order_lines"] if not any(name in matches("order_lines", one.columns) for one in found)
    }
    what = (
        f"No column looks like {' or '.join(sorted(lacking))}"
        if lacking
        else ("Customer, time and money stand in different files: join them by 'query', as the preset olist does")
    )
    return (
        f"No file looks like order lines: they need a customer, a time, and a price or an amount. {what}. Columns "
        f"found: {listed}. Rename them, or write the source file by hand (docs/guides/your-own-data.md)."
    )


def _text(tables: Mapping[str, Draft], target: Path, timezone: str | None, identities: Mapping[str, str]) -> str:
    lines = [
        "# Proposed by 'purse sources guess'. Lines with 'unsure' need a look.",
        'title: "Our shop"                             # edit: the shop\'s name',
        f"timezone: {timezone or 'UTC'}" + ("" if timezone else "    # unsure: the shop's time zone"),
        *(f"{line}   # unsure: {why.partition(': ')[2]}" for line, why in identities.items()),
        "tables:",
    ]
    for name, draft in tables.items():
        order = [column.name for column in TABLES[name].columns]
        lines += [f"  {name}:", f"    from: {_origin(draft, target)}", "    columns:"]
        for column, expression in sorted(draft.columns.items(), key=lambda one: order.index(one[0])):
            note = f"   # unsure: {draft.unsure[column]}" if column in draft.unsure else ""
            lines.append(f"      {column}: {json.dumps(expression, ensure_ascii=False)}{note}")
    return "\n".join(lines) + "\n"


def _origin(draft: Draft, target: Path) -> str:
    near = [file.resolve().is_relative_to(target.resolve().parent) for file in draft.sample.files]
    files = [
        os.path.relpath(file, target.parent) if inside else str(file.resolve())
        for file, inside in zip(draft.sample.files, near, strict=True)
    ]
    origin: dict[str, object] = {"files": files[0] if len(files) == 1 else files}
    if draft.sample.encoding != "utf-8":
        origin["encoding"] = draft.sample.encoding
    if draft.sample.sheet:
        origin["sheet"] = draft.sample.sheet
    if draft.decimal:
        origin["decimal"] = draft.decimal
    return json.dumps(origin, ensure_ascii=False)
