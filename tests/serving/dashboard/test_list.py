"""The list of users and its file, against the rows that were written."""

import csv
import io
import re
from html import unescape
from urllib.parse import quote

import pytest

from models.predictions import TIERS
from serving.dashboard.listing import ROWS


def listed(response) -> list[str]:
    """Ids in the order of the page."""
    return [
        unescape(one) for one in re.findall(r'<th scope="row"><a href="users\?user_id=[^"]*">(.*?)</a>', response.text)
    ]


@pytest.fixture(scope="module")
def both(scores):
    """Every user of the newest snapshot with score and tier in the one before."""
    before = scores["before"][["user_id", "score", "tier"]].rename(columns={"score": "old", "tier": "tier_before"})
    return scores["now"].merge(before, "left", "user_id")


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("", lambda _: True),
        ("tier=high", lambda row: row.tier == "high"),
        ("score_from=50&score_to=80", lambda row: 50 <= row.score < 80),
        ("score_from=95&score_to=100", lambda row: row.score >= 95),
        ("chance_from=50%2C5", lambda row: row.purchase_probability >= 0.505),
        ("movement=new", lambda row: row.tier_before is None or row.tier_before != row.tier_before),
        ("movement=up", lambda row: moved(row) < 0),
        ("movement=down", lambda row: moved(row) > 0),
        ("movement=moved", lambda row: moved(row) != 0),
        ("movement=stayed", lambda row: row.tier_before == row.tier),
        ("tier_before=low&tier=mid", lambda row: row.tier_before == "low" and row.tier == "mid"),
        ("days_to=10", lambda row: int(row.score) % 30 < 10),
        ("utm_source=mail&tier=low", lambda row: row.tier == "low"),
    ],
)
def test_filters_choose_the_users_who_fit(client, both, query, fits):
    rows = both[[bool(fits(row)) for row in both.itertuples()]]
    expected = rows.sort_values(["expected_spend", "user_id"], ascending=[False, True])["user_id"]
    response = client.get(f"/list?{query}")
    assert response.status_code == 200
    assert listed(response) == expected.tolist()[:ROWS]


def moved(row) -> int:
    if row.tier_before not in TIERS:
        return 0
    return TIERS.index(row.tier) - TIERS.index(row.tier_before)


@pytest.mark.parametrize("query", ["tier=HIGH", "movement=sideways", "sort=shoes", "score_from=many", "page=-1"])
def test_what_nobody_can_have_is_refused_with_what_there_is(client, query):
    response = client.get(f"/list?{query}")
    assert response.status_code == 422
    assert re.search(r"Choose one of|Expected a", response.text)


def test_columns_sort_both_ways_and_pages_follow_each_other(client, both, monkeypatch):
    monkeypatch.setattr("serving.dashboard.listing.ROWS", 15)
    pages = [client.get(f"/list?sort=score&page={page}") for page in (1, 2, 3, 9)]
    order = both.sort_values(["score", "user_id"])["user_id"].tolist()
    assert [one for page in pages[:3] for one in listed(page)] == order
    assert listed(pages[3]) == order[30:]
    assert 'aria-sort="ascending"' in pages[0].text
    assert listed(client.get("/list?sort=-score"))[0] == both.sort_values("score")["user_id"].iloc[-1]


def test_the_numbers_of_today_lead_to_their_users(client):
    today = client.get("/").text
    for address, count in re.findall(r'<a href="(list\?[^"]*)">([\d,]+)</a>', today):
        found = client.get("/" + unescape(address))
        assert f"{count} user" in found.text
    assert len(set(re.findall(r'href="(list\?[^"]*)"', today))) > 20


def test_the_file_has_the_same_users_with_rounded_numbers_and_no_formula(client, both):
    response = client.get("/users.csv?score_from=50&sort=score")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    expected = both[both["score"] >= 50].sort_values(["score", "user_id"])
    assert [row["user_id"].removeprefix("'") for row in rows] == expected["user_id"].tolist()
    assert all(re.fullmatch(r"-?\d+(\.\d{1,2})?", row["expected_spend"]) for row in rows)
    assert all(re.fullmatch(r"[01](\.\d{1,3})?", row["purchase_probability"]) for row in rows)
    assert rows[0]["days_since_last_order"] == str(int(float(rows[0]["score"])) % 30)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_begins_like_a_formula(start):
    import pyarrow as pa

    from pipelines.lake import tables
    from serving.dashboard.listing import _safe

    connection = tables.connect()
    connection.con.register("ids", pa.table({"user_id": [f"{start}1+1", "user-1"]}))
    safe = _safe(connection.table("ids")).to_pyarrow()["user_id"].to_pylist()
    assert safe == [f"'{start}1+1", "user-1"]


def test_a_user_id_is_quoted_in_its_address(client):
    strange = "=1+2<script>alert(1)</script>"
    assert f"users?user_id={quote(strange, safe='')}" in client.get("/list").text.replace("+", "%20")
