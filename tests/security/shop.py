"""Run the steps in a small home, as the command line runs them: `python shop.py FOLDER`."""

import contextlib
import io
import os
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

DAYS, USERS, FIRST = 56, 90, date(2024, 1, 1)
STEPS = (
    "ingest",
    "validate",
    "expectations propose users",
    "build-features --for training",
    "split",
    "sweep",
    "train",
    "evaluate",
    "register",
    "promote",
    "build-features",
    "score",
    "monitor",
    "card",
    "status",
)
LAST = FIRST + pd.Timedelta(days=DAYS)


def user_ids() -> list[str]:
    """Ids that occur nowhere by chance."""
    random = np.random.default_rng(7)
    return [f"kunde{number:09d}x" for number in random.integers(10**8, 10**9, USERS)]


def write_shop(folder: Path) -> None:
    """Write a source with orders, users, products and events, and rows that break rules of each kind."""
    random, users = np.random.default_rng(0), user_ids()
    lines = [
        {
            "order_id": f"o{place}-{day}",
            "product_id": f"p{random.integers(9)}",
            "customer": user,
            "day": f"{FIRST + pd.Timedelta(days=int(day))}",
            "quantity": "1",
            "amount": f"{random.gamma(2, 10):.2f}",
        }
        for place, user in enumerate(users)
        for day in np.flatnonzero(random.random(DAYS) < 0.02 + 0.3 * place / USERS)
    ]
    dirt = [
        {"order_id": "bad1", "amount": "many"},
        {"order_id": "bad2", "customer": f"{users[3]} "},
        {"order_id": "bad3", "quantity": "0"},
        {"order_id": "bad4", "customer": f"{users[4]}\x01"},
        {"order_id": "bad5", "amount": "-5"},
        {"order_id": "bad6", "customer": ""},
        lines[5],
        {"order_id": "bad7", "day": "2031-01-01"},
    ]
    pd.DataFrame([*lines, *({**lines[50], **row} for row in dirt)]).to_csv(folder / "orders.csv", index=False)
    profiles = [
        {"customer": user, "region": f"r{place % 3}", "gender": "fm"[place % 2]} for place, user in enumerate(users)
    ]
    pd.DataFrame([*profiles, profiles[0]]).to_csv(folder / "users.csv", index=False)
    events = [
        {"event_id": f"e{number}", "customer": users[number % USERS], "day": line["day"], "type": "view"}
        for number, line in enumerate(lines)
    ]
    events += [{**events[0], "event_id": "strange", "type": "stare", "customer": f" {users[0]}"}]
    pd.DataFrame(events).to_csv(folder / "events.csv", index=False)
    order = {"order_id": "order_id", "product_id": "product_id", "line": "1", "user_id": "customer"}
    order |= {"ordered_at": "day", "quantity": "quantity", "unit_price": "abs(amount::DOUBLE)", "amount": "amount"}
    tables = {
        "order_lines": order,
        "users": {"user_id": "customer", "region": "region", "gender": "gender"},
        "events": {"event_id": "event_id", "user_id": "customer", "occurred_at": "day", "event_type": "type"},
    }
    files = {"order_lines": "orders.csv", "users": "users.csv", "events": "events.csv"}
    source = {name: {"from": {"files": files[name]}, "columns": columns} for name, columns in tables.items()}
    (folder / "shop.yaml").write_text(yaml.safe_dump({"title": "A shop", "tables": source}))
    settings = {
        "source": str(folder / "shop.yaml"),
        "home": str(folder / "home"),
        "horizon_days": 7,
        "ingest": {"max_quarantined_share": 0.2, "max_staleness_days": None},
        "sweep": {"families": ["linear_rfm", "lightgbm_tweedie"], "trials": 2},
        "promotion": {"min_ngini": -1.0, "max_abs_bias": 100.0, "bootstrap_samples": 20, "min_slice_users": 20},
    }
    (folder / "purse.yaml").write_text(yaml.safe_dump(settings))


def run(words: list[str]) -> str:
    """Run a command in this process; its answer and messages, as a task's log and XCom hold them."""
    from cli.main import main

    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
        sys.argv = ["purse", *words]
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(output.getvalue()) from ended
    return output.getvalue()


def main(folder: Path) -> None:
    """Run every step and write a release; the output of each is stored beside the home."""
    os.umask(0o022)
    write_shop(folder)
    os.environ["PURSE_CONFIG"] = str(folder / "purse.yaml")
    (folder / "home").mkdir()
    (folder / "output").mkdir()
    for step in STEPS:
        words = step.split()
        if words[0] not in ("card", "expectations"):
            words.append("--json")
        (folder / "output" / f"{step}.txt").write_text(run(words))

    from pipelines.settings import load_settings
    from serving.release.release import prepare

    settings = load_settings()
    prepare(settings, settings.serving_folder / "releases")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
