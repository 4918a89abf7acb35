"""The page of health: what the newest `purse doctor` found."""

import re
from datetime import UTC, datetime
from html import unescape

from pipelines.results.health import Examined, Fault
from pipelines.results.result import write_result


def text_of(response):
    assert response.status_code == 200
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text)))


def examined(settings, day, *faults):
    found = [Fault(check=check, problem=problem, command=command) for check, problem, command in faults]
    moment = datetime(2024, 3, day, 7, 5, tzinfo=UTC)
    result = Examined(home=str(settings.home_path), checked_at=moment, findings=found, fixed=[])
    write_result(settings, moment.date(), result)


def test_the_newest_findings_are_shown_with_their_commands(score_once, make_client):
    client = make_client(score_once)
    assert "Nothing was checked yet" in text_of(client.get("/health"))
    examined(score_once, 1, ("disk", "The disk of <b> has 3 MB left.", "du -xh -d 2 /"))
    examined(score_once, 2, ("champion", "The alias was removed.", "purse champion 1"), ("modes", "Open.", "chmod x"))
    said = text_of(client.get("/health"))
    assert "2 faults were found (2024-03-02 07:05 UTC)" in said
    assert "champion The alias was removed. purse champion 1" in said
    assert "The disk" not in said
    assert "Es wurden" not in said
    assert "2 Fehler wurden gefunden" in text_of(client.get("/health", headers={"Accept-Language": "de"}))
    examined(score_once, 3)
    assert "No fault was found (2024-03-03 07:05 UTC)" in text_of(client.get("/health"))


def test_a_finding_is_text_and_not_markup(score_once, make_client):
    examined(score_once, 1, ("disk", "<script>alert(1)</script>", "rm '<img src=x>'"))
    page = make_client(score_once).get("/health").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
