"""Every page over a real lake and registry, against numbers counted from the rows that were written."""

import csv
import io
import json
import re
from datetime import date, timedelta
from html import unescape

import pandas as pd
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from models.score.totals import Group, total_interval
from pipelines import links
from pipelines.lake import tables
from pipelines.settings import REPOSITORY
from pipelines.tracking import runs as tracking
from serving.dashboard import registry_view
from serving.dashboard.formats import ago, number, share
from serving.dashboard.pages import markdown
from serving.dashboard.values import UserScore
from tests.serving.servers import wait_until

PAGES = ("/", "/list", "/trust", "/health", "/model", "/card", "/users", "/users?user_id=user-07")


def text_of(response) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<script.*?</script>", " ", response.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def chart(response, name):
    found = re.search(rf'<script type="application/json" id="chart-{name}">(.*?)</script>', response.text, re.DOTALL)
    return json.loads(found[1])


def series(spec, label):
    return next(one["data"] for one in spec["series"] if one["label"] == label)


@pytest.mark.parametrize("page", PAGES)
def test_pages_answer_with_nothing_inline_and_nothing_of_other_hosts(client, page):
    response = client.get(page)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self' http://127.0.0.1:8080 http://localhost:8080 http://airflow.localhost:8080" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*(?:src=|application/json))", response.text)
    assert not re.search(r"<style|\sstyle=|\son\w+=", response.text)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1|airflow\.localhost)', response.text)
    assert len(re.findall("<h1", response.text)) == 1


def test_every_chart_has_a_description_and_a_table_has_a_caption(client):
    for page in PAGES:
        body = client.get(page).text
        assert all("aria-label=" in canvas for canvas in re.findall("<canvas[^>]*>", body))
        if page != "/card":  # the card's tables come from Markdown, which has no captions
            assert body.count("<table") == body.count("<caption")


def test_today_counts_tiers_spend_scores_and_movers(client, scores):
    response = client.get("/")
    now, before = scores["now"], scores["before"]
    shares, distribution = chart(response, "shares"), chart(response, "distribution")
    for tier, rows in now.groupby("tier"):
        spend = 100 * rows["expected_spend"].sum() / now["expected_spend"].sum()
        assert series(shares, tier) == pytest.approx([100 * len(rows) / len(now), spend], abs=0.05)
        expected = [((rows["score"] // 5) == bucket).sum() for bucket in range(20)]
        assert series(distribution, tier) == expected
    both = now.merge(before, on="user_id", suffixes=("", "_before"))
    moved = int((both["tier"] != both["tier_before"]).sum())
    new = len(now) - len(both)
    assert new == 5
    said = text_of(response)
    assert f"Since Mar 22, 2020, {moved} users changed tier, {len(both) - moved} kept it, {new} are new." in said
    matrix = response.text[response.text.index("From, to") :]
    cells = re.findall(r"<td[^>]*>(?:<a [^>]*>)?([\d,]+)(?:</a>)?</td>", matrix)[:12]
    tiers = ["high", "mid", "low"]
    table = [[((both["tier_before"] == one) & (both["tier"] == two)).sum() for two in tiers] for one in tiers]
    fresh = now[~now["user_id"].isin(both["user_id"])]
    assert [int(cell) for cell in cells] == [
        *(cell for row in table for cell in row),
        *[(fresh["tier"] == two).sum() for two in tiers],
    ]


def test_a_total_has_the_interval_of_the_level_and_of_its_users(client, scores):
    def said_of(users, page):
        spend, chance = users["expected_spend"], users["purchase_probability"]
        variance = (spend**2 * (1.5 / chance - 1)).sum()
        low, high = total_interval(Group(spend.sum(), variance, float((1 - chance).prod())), 0.8, 1.3)
        assert low < 0.8 * spend.sum()
        assert high > 1.3 * spend.sum()
        assert f"{spend.sum():,.0f} {low:,.0f} to {high:,.0f} (80 %)" in text_of(client.get(page))

    now = scores["now"]
    said_of(now, "/")
    said_of(now[now["tier"] == "high"], "/?tier=high")
    said = text_of(client.get("/"))
    assert "Snapshot Mar 29, 2020 · scored 2 hours ago (Mar 30, 2020 04:00 UTC) · Version 1" in said


def test_filters_count_those_who_fit_by_the_newest_attributes(client, scores):
    regions = ["north" if n % 4 == 0 or n == 1 else "south" for n in range(40)]
    ages = ["20-29", "30-39"] * 20
    now = scores["now"].assign(region=regions, age_band=ages)
    fit = now[(now["region"] == "north") & (now["age_band"] == "20-29") & (now["tier"] == "high")]
    response = client.get("/?region=north&age_band=20-29&tier=high")
    said = text_of(response)
    assert f"these {len(fit)} users" in said
    assert sum(series(chart(response, "distribution"), "high")) == len(fit)
    assert '<option value="north" selected>north</option>' in response.text
    largest = fit.sort_values("expected_spend", ascending=False)["user_id"].head(10)
    listed = [unescape(one) for one in re.findall(r'<a href="users\?user_id=[^"]*">(.*?)</a>', response.text)]
    assert listed == largest.tolist()
    assert text_of(client.get("/?region=&tier=")) == text_of(client.get("/"))


def test_nobody_fits_is_said_and_what_to_do(client):
    said = text_of(client.get("/?region=north&age_band=30-39&tier=mid"))
    assert "Nobody has all of these at once" in said


@pytest.mark.parametrize("query", ["region=nowhere", "tier=HIGH", "region=%3Cscript%3E"])
def test_unknown_filters_are_refused_with_what_there_is(client, query):
    for path in ("/", "/users.csv"):
        response = client.get(f"{path}?{query}")
        assert response.status_code == 422
        assert response.headers["content-type"].startswith("text/plain") or "<script>" not in response.text
    assert re.search(r"Choose one of|can't be chosen by", text_of(client.get(f"/?{query}")))


def test_the_csv_has_the_chosen_users_and_no_formula(client, scores):
    response = client.get("/users.csv?tier=high")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["cache-control"] == "no-store"
    assert 'filename="users-2020-03-29-high.csv"' in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text)))
    high = scores["now"][scores["now"]["tier"] == "high"]
    assert sorted(row["user_id"] for row in rows) == sorted(high["user_id"])
    assert sum(float(row["expected_spend"]) for row in rows) == pytest.approx(high["expected_spend"].sum())
    assert {"region", "age_band", "reasons", "snapshot_date"} <= rows[0].keys()
    everybody = list(csv.DictReader(io.StringIO(client.get("/users.csv").text)))
    assert len(everybody) == 40
    assert not [cell for row in everybody for cell in row.values() if cell[:1] in ("=", "+", "-", "@")]
    assert any(row["user_id"].startswith("'=1+2") for row in everybody)


def test_a_choice_of_nobody_is_a_csv_with_its_header_only(client):
    lines = client.get("/users.csv?region=north&age_band=30-39&tier=mid").text.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('"user_id"')


def test_trust_shows_measures_calibration_drift_and_refused_rows(client):
    response = client.get("/trust")
    said = text_of(response)
    assert "The top 10 % of users bring 40 % of the spend (60 % is perfect)." in said
    assert re.search(r"Order of users \? .* 0.610 95 %: 0.550 to 0.670", said)
    assert series(chart(response, "calibration"), "spent") == [9.0 * n for n in range(10)]
    assert chart(response, "alarms")["labels"] == ["Mar 22, 2020", "Mar 29, 2020"]
    assert "A retraining was asked for." in said
    violated = "Net spend in the last 28 days features.spend_28d mix of values (PSI) 0.900 0.500 violated"
    assert said.index(violated) < said.index("Order lines per buyer on the newest day days.lines size of values")
    assert "Mar 29, 2020 2 1 retraining asked for" in said
    assert "order lines 9 3 25.00 % amount finite (2), unique (2)" in said
    assert 'href="http://airflow.localhost:8080/data-docs/monitoring/2020-03-29.html"' in response.text
    assert "No scores have matured yet" in said


def test_what_was_promised_stands_beside_what_came(scored, tmp_path, make_client, monitored):
    """The scores of BEFORE are 28 days old at the new snapshot, whose monitoring has measured them."""
    import shutil

    shop = scored.with_changes(home=str(tmp_path / "matured"))
    shutil.copytree(scored.home_path, shop.home_path)
    later = date(2020, 4, 20)
    rows = pa.table({"order_id": ["later"], "amount": [1.0], "day": [later - timedelta(days=1)]})
    tables.replace(shop, "raw/order_lines", rows, "day", later - timedelta(days=1), later)
    monitored(shop, later, drifted=False, realised=True)
    said = text_of(make_client(shop).get("/trust"))
    assert "Order of users (nGini) 0.610 0.410 at least 0.510 broken" in said
    assert "Total, expected against spent 0.050 0.100 at most 0.300 kept" in said


def test_trust_names_missing_days(scored, tmp_path, make_client):
    import shutil

    shop = scored.with_changes(home=str(tmp_path / "missing"))
    shutil.copytree(scored.home_path, shop.home_path)
    first, there = date(2020, 1, 6), [*range(20), *range(25, 40)]
    rows = [
        {"order_id": f"{day}-{n}", "amount": 1.0, "day": first + timedelta(days=day)}
        for day in there
        for n in range(20)
    ]
    tables.replace(shop, "raw/order_lines", pa.Table.from_pylist(rows), "day", date(1970, 1, 1), date(2100, 1, 1))
    assert "Missing days of order lines: 2020-01-26 to 2020-01-30." in text_of(make_client(shop).get("/trust"))


def test_trust_names_ids_to_look_at(scored, tmp_path, make_client):
    import shutil

    shop = scored.with_changes(home=str(tmp_path / "odd"))
    shutil.copytree(scored.home_path, shop.home_path)
    found = [
        {"table": "order_lines", "kind": "integer", "odd_id": "017850", "same_as": "17850", "rows": 3, "amount": 1250},
        {"table": "order_lines", "kind": "nobody", "odd_id": "guest", "same_as": None, "rows": 40, "amount": 9000},
        {"table": "order_lines", "kind": "test_order", "odd_id": "TEST-1", "same_as": None, "rows": 2, "amount": 30},
    ]
    day = tables.UNDATED
    rows = pa.Table.from_pylist([row | {"day": day} for row in found])
    tables.replace(shop, "odd_ids", rows, "day", day, day + timedelta(days=1))
    client = make_client(shop)
    said = text_of(client.get("/trust"))
    assert "017850 differs from another id by zeros or a decimal point (order lines) 17850 3 1,250" in said
    assert "guest usually means nobody (order lines) \u2013 40 9,000" in said
    assert "TEST-1 is an order that looks like a test (order lines) \u2013 2 30" in said
    german, chinese = (text_of(client.get(f"/trust?lang={language}")) for language in ("de", "zh"))
    assert "Kennungen, die man ansehen sollte" in german
    assert "guest bedeutet meist niemanden" in german
    assert "TEST-1 ist eine Bestellung, die nach einem Test aussieht" in german
    assert "需要查看的编号" in chinese
    assert "guest 通常不代表任何人" in chinese


def test_a_user_is_found_by_any_form_of_the_id(scored, tmp_path, make_client):
    text = (REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text()
    (tmp_path / "forms.yaml").write_text(f"{text}\nids: [lower]\n")
    client = make_client(scored.with_changes(source=str(tmp_path / "forms.yaml")))
    said = text_of(client.get("/users?user_id=USER-07"))
    assert "user-07" in said
    assert said == text_of(client.get("/users?user_id=user-07"))


def test_model_shows_versions_with_decisions_importances_slices_and_links(client):
    response = client.get("/model")
    said = text_of(response)
    assert "Version 1 (champion): bagged trees, convolution, pooling, LSTM over actions." in said
    assert re.search(r"2 challenger .* no gain Not promoted: gain -0.0100\.", said)
    assert chart(response, "importances")["labels"] == [
        "Refunded share of gross spend in the last 28 days",
        "Net spend in the last 28 days",
        "Purchase days in the last 28 days",
    ]
    assert "1 of 2 differences" in said
    assert "region: north Order of users (nGini) 0.400 -0.200 ± 0.050" in said
    version = "http://127.0.0.1:5000/#/models/purchasing-power/versions/1?workflowType=machine_learning"
    assert f'href="{version}"' in response.text
    assert 'href="http://airflow.localhost:8080/dags/retrain_daily"' in response.text
    assert text_of(client.get("/model?version=2")).startswith("Model · Purse")
    assert client.get("/model?version=99").status_code == 404


def test_model_says_that_a_person_must_decide_about_an_unusable_champion(scored, tmp_path, make_client, client):
    import shutil

    assert "until a person decides" not in text_of(client.get("/model"))
    shop = scored.with_changes(home=str(tmp_path / "unusable"))
    shutil.copytree(scored.home_path, shop.home_path)
    registry, why = tracking.connect(shop), "Not promoted: it predicts 14 days. Run 'purse promote --replace-unusable'."
    registry.set_model_version_tag("purchasing-power", "2", "outcome", "champion_unusable")
    registry.update_model_version("purchasing-power", "2", why)
    said = text_of(make_client(shop).get("/model"))
    assert f"could not be compared with version 2, so it stays until a person decides. {why}" in said
    assert f"champion unusable {why}" in said


def test_the_card_is_shown_without_its_html(client):
    body = client.get("/card").text
    assert "<h1>Model card</h1>" in body
    assert "&lt;i&gt;1&lt;/i&gt;" in body
    assert "has no model card" in text_of(client.get("/card?version=2"))


def test_one_user_with_history_reasons_and_what_changed(client, scores):
    response = client.get("/users?user_id=user-07")
    said = text_of(response)
    now = scores["now"].set_index("user_id").loc["user-07"]
    assert f"low Score {now['score']:.1f}" in said
    assert "spent 10 in the last 28 days <b>comes back</b> every 3 days" in said
    assert series(chart(response, "course"), "score") == [17.5, 27.5]
    # of all 40 users, 275 is above those with 0 to 250 and in the middle of itself
    spends = scores["now"]["expected_spend"]
    standing = ((spends < 275).sum() + (spends == 275).sum() / 2) / len(spends)
    before = ((spends < 175).sum() + (spends == 175).sum() / 2) / len(spends)
    assert f"175.00 275.00 {100 * before:.0f} % {100 * standing:.0f} %" in said
    assert "purchase_days_28d" not in said  # did not move


def test_markup_in_a_user_id_is_text(client):
    response = client.get("/users", params={"user_id": "=1+2<script>alert(1)</script>"})
    assert response.status_code == 200
    assert "<script>alert" not in response.text


def test_an_unknown_user_is_told_what_to_do(client):
    response = client.get("/users?user_id=USER-07")
    assert response.status_code == 404
    assert "upper and lower case" in text_of(response)


def test_the_live_score_comes_first(scored, make_client, scores):
    row = scores["now"].iloc[7].to_dict() | {"score": 99.0, "tier": "high", "reasons": ["bought just now"]}
    live = row | {"scored_at": "2020-03-30T05:59:00Z", "live": True, "snapshot_date": "2020-03-29"}
    scores = [TypeAdapter(UserScore).validate_python(live | {"user_id": user}) for user in ("user-07", "newcomer")]
    client = make_client(scored, newest_score={score.user_id: score for score in scores}.get)
    said = text_of(client.get("/users?user_id=user-07"))
    assert "high Score 99.0" in said
    assert "bought just now" in said
    assert "Live: what happened since" in said
    assert "scored 1 minute ago (Mar 30, 2020 05:59 UTC)" in said
    assert "No snapshot has this user yet" in text_of(client.get("/users?user_id=newcomer"))


def test_who_is_set_aside_is_named_with_the_reason(scored, make_client, client):
    aside = make_client(scored, set_aside=lambda: [("<b>user-07", "scoring this user ended the engine twice")])
    page = aside.get("/trust")
    assert "Users set aside" in text_of(page)
    assert "scoring this user ended the engine twice" in text_of(page)
    assert "<b>user-07" not in page.text
    assert "Users set aside" not in text_of(client.get("/trust"))


def test_a_new_snapshot_is_shown_at_the_next_look(score_once, make_client, scores):
    client = make_client(score_once)
    assert "snapshot" in text_of(client.get("/")).lower()
    later = date(2020, 4, 5)
    rows = pa.Table.from_pandas(scores["now"].assign(snapshot_date=later), preserve_index=False)
    tables.replace(score_once, "predictions", rows, "snapshot_date", later, later + timedelta(days=1))
    wait_until(lambda: "Snapshot Apr 5, 2020" in text_of(client.get("/")), "the new snapshot is counted and shown")


def test_one_snapshot_without_anything_else_shows_what_there_is(score_once, make_client):
    client = make_client(score_once)
    said = text_of(client.get("/"))
    assert "There is one snapshot only" in said
    assert "its range is not known" in said
    assert "Region" not in said
    assert "There is one snapshot only" in text_of(client.get("/users?user_id=user-07"))
    assert "No model has been registered yet" in text_of(client.get("/model"))
    assert not (score_once.home_path / "mlflow.db").exists()  # looking makes no databases


def test_an_empty_lake_and_one_without_scores_say_what_to_do(settings, make_client):
    client = make_client(settings)
    for page in ("/", "/trust", "/users"):
        assert "make demo" in text_of(client.get(page))
    assert client.get("/users.csv").status_code == 503
    rows = pd.DataFrame({"order_id": ["a"], "day": [date(2020, 1, 1)]})
    tables.replace(settings, "raw/order_lines", pa.Table.from_pandas(rows), "day", date(2020, 1, 1), date(2020, 1, 2))
    assert "Trigger retrain_daily" in text_of(client.get("/"))
    said = text_of(client.get("/trust"))
    assert "There is no champion yet" in said
    assert "order lines 1 0" in said


def test_mlflow_away_leaves_what_the_lake_knows(scored, make_client):
    away = scored.with_changes(mlflow__tracking_uri="http://127.0.0.1:9")
    client = make_client(away)
    assert client.get("/").status_code == 200
    trust = client.get("/trust")
    assert trust.status_code == 200
    assert "does not answer" in text_of(trust)
    assert "features.spend_28d" in text_of(trust)
    model = client.get("/model")
    assert model.status_code == 503
    assert "purse up" in text_of(model)


def test_what_mlflow_last_said_stays_when_it_goes_away(scored, make_client, monkeypatch):
    client = make_client(scored)
    assert "Version 1" in text_of(client.get("/model"))
    monkeypatch.setattr(registry_view, "FRESH_SECONDS", -1.0)
    reach = registry_view.connect
    monkeypatch.setattr(
        registry_view, "connect", lambda one: reach(one.with_changes(mlflow__tracking_uri="http://127.0.0.1:9"))
    )
    said = text_of(client.get("/model"))
    assert "Version 1" in said
    assert "what MLflow last said" in said


def test_static_files_are_the_known_ones(client):
    assert client.get("/static/purse.css").headers["content-type"].startswith("text/css")
    assert "immutable" in client.get("/static/chart.umd.min.js").headers["cache-control"]
    for name in ("README.md", "..%2Froutes.py", "nothing.js"):
        assert client.get(f"/static/{name}").status_code == 404


def test_links_and_frames_follow_the_settings(settings):
    assert links.frame_ancestors(settings) == (
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://airflow.localhost:8080",
    )
    public = settings.with_changes(
        airflow__public_url="https://air.shop/ui/", dashboard__framed_by=["https://intra.shop"]
    )
    assert links.frame_ancestors(public) == ("https://air.shop", "https://intra.shop")
    assert links.dag_url(public, "score_daily") == "https://air.shop/ui/dags/score_daily"
    assert links.dashboard_url(settings) == "http://127.0.0.1:8000"
    by_file = settings.with_changes(mlflow__tracking_uri="sqlite:////data/mlflow.db")
    assert links.mlflow_url(by_file) == "http://127.0.0.1:5000"


def test_formats():
    from datetime import UTC, datetime

    now = datetime(2020, 1, 3, tzinfo=UTC)
    assert [ago(now - timedelta(seconds=s), now) for s in (0, 60, 7200, 86400, 90 * 86400)] == [
        "just now", "1 minute ago", "2 hours ago", "1 day ago", "90 days ago",
    ]  # fmt: skip
    assert number(1234.5678, 1) == "1,234.6"
    assert number(float("nan")) == number(None) == "–"  # noqa: RUF001
    assert share(0.123, 0, "+") == "+12\xa0%"
    assert markdown("# <b>x</b>") == "<h1>&lt;b&gt;x&lt;/b&gt;</h1>\n"
