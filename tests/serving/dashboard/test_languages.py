"""The interface in English, German and Chinese: complete catalogues, and pages that speak them."""

import importlib.util
import re
from html import unescape
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from serving.dashboard.language import COOKIE, LANGUAGES, LOCALES

ROOT = Path(__file__).resolve().parents[3]
OTHERS = [code for code in LANGUAGES if code != "en"]
PLACES = re.compile(r"%\(\w+\)s|%%|<[^>]+>")


@pytest.fixture(scope="module")
def template():
    spec = importlib.util.spec_from_file_location("translations", ROOT / "scripts" / "translations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.template()


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated_with_its_values(template, code):
    with (LOCALES / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    texts = {message.id for message in template if message.id}
    assert {message.id for message in catalogue if message.id} == texts, "run python scripts/translations.py"
    for message in catalogue:
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(forms), message.id
        assert not message.fuzzy
        if message.id:
            wanted = message.id[-1] if isinstance(message.id, tuple) else message.id
            assert sorted(PLACES.findall(forms[-1])) == sorted(PLACES.findall(wanted)), message.id


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", ["Purchasing power today", "Expected spend", "19,500", "Mar 29, 2020", "2 hours ago", "36.4 %"]),
        ("de", ["Kaufkraft heute", "Erwartete Ausgaben", "19.500", "29.03.2020", "vor 2 Stunden", "36,4 %"]),
        ("zh", ["今日购买力", "预期消费", "19,500", "2020年3月29日", "2小时前", "36.4%"]),
    ],
)
def test_texts_numbers_and_dates_follow_the_language(client, code, expected):
    response = client.get("/", headers={"Accept-Language": code})
    assert f'<html lang="{code}">' in response.text
    said = unescape(re.sub(r"<[^>]+>", " ", response.text)).replace("\xa0", " ")
    assert [text for text in expected if text not in said] == []


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize(
    "page", ["/", "/list", "/trust", "/health", "/model", "/card", "/users", "/users?user_id=user-07"]
)
def test_every_page_speaks_every_language(client, code, page):
    response = client.get(page, headers={"Accept-Language": code})
    assert response.status_code == 200
    heading = re.search(r"<h1>(.*?)</h1>", response.text, re.DOTALL)[1]
    assert heading not in client.get(page, headers={"Accept-Language": "en"}).text or page == "/card"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("zh-Hant-TW,zh;q=0.9", "zh"),
        ("fr,en;q=0.5,de;q=0.7", "de"),
        ("fr", "en"),
        ("", "en"),
        ("de;q=0,zh;q=nonsense,*", "en"),
    ],
)
def test_the_browser_says_what_it_prefers(client, header, code):
    assert f'<html lang="{code}">' in client.get("/users", headers={"Accept-Language": header}).text


def test_a_chosen_language_is_remembered_and_an_unknown_one_is_not(scored, make_client):
    client = make_client(scored)
    chosen = client.get("/users?lang=zh", headers={"Accept-Language": "de"})
    assert '<html lang="zh">' in chosen.text
    assert client.cookies[COOKIE] == "zh"
    assert '<html lang="zh">' in client.get("/trust", headers={"Accept-Language": "de"}).text
    assert '<html lang="zh">' in client.get("/trust?lang=tlh").text
    assert client.cookies[COOKIE] == "zh"


def test_money_has_the_currency_of_the_shop(scored, make_client):
    client = make_client(scored.with_changes(dashboard__currency="EUR"))
    assert "€19,500" in client.get("/").text
    assert "19.500\xa0€" in client.get("/?lang=de").text
    assert "Money is in EUR." in client.get("/?lang=en").text
