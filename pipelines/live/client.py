"""Signed requests of the steps to the live service."""

import getpass
import hmac
import json
from datetime import datetime
from typing import Any

import httpx

from pipelines.errors import NothingToDo, PurseError, ServiceDown
from pipelines.live.signing import ANSWER_HEADER, VARIABLE, Signed, shared_secret, sign
from pipelines.settings import Settings

CONNECT_SECONDS = 3.0


DEPLOY_SECONDS = 900.0
"""Maximum time of a deploy: the service writes the release, opens it and loads all scores before it answers."""

LARGEST_ANSWER = 1024 * 1024


def ask(settings: Settings, action: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Send an administrator's request, signed with the secret of this home, and verify that the service answered it.

    Raises:
        NothingToDo: no service runs.
        ServiceDown: the service broke off.
        PurseError: the service refuses, with its reason; or a stranger answers.
    """
    url, path, content = service_url(settings), f"/v1/admin/{action}", json.dumps(body).encode()
    secret = shared_secret(settings.serving_folder, now)
    signed = sign(secret, "POST", path, content, now)
    headers = {"Authorization": signed.header, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(DEPLOY_SECONDS, connect=CONNECT_SECONDS)
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout, headers=headers) as client,
            client.stream("POST", f"{url}{path}", content=content) as answer,
        ):
            found = _content(answer)
    except httpx.ConnectError as error:
        raise NothingToDo(
            f"No live service answers at {url} ({error}). Start it with 'purse up' or 'purse serve', and run "
            f"'purse {action}' again; scores in the lake are as they were."
        ) from error
    except httpx.HTTPError as error:
        raise ServiceDown(
            f"The live service at {url} broke off ({type(error).__name__}: {error}). See its log with 'purse logs "
            f"serving', and run 'purse {action}' again; it ends what was begun or changes nothing."
        ) from error
    _require_signature(answer, found, signed, secret, url)
    result: dict[str, Any] = json.loads(found)
    if not answer.is_success:
        raise PurseError(f"{action} was refused by the live service at {url}: {result['error']}")
    return result


def service_url(settings: Settings) -> str:
    """Address of the live service."""
    return settings.serving.url or f"http://{settings.services.host}:{settings.serving.port}"


def _content(answer: httpx.Response) -> bytes:
    """Read an answer; the rest of a longer one, which is none of Purse's, is left unread."""
    content = bytearray()
    for part in answer.iter_raw():
        content += part
        if len(content) > LARGEST_ANSWER:
            break
    return bytes(content)


def _require_signature(answer: httpx.Response, content: bytes, signed: Signed, secret: bytes, url: str) -> None:
    """Reject an answer that the service of this home did not sign; nothing that it says is shown."""
    expected = signed.answer(secret, answer.status_code, content)
    if not hmac.compare_digest(expected.encode(), answer.headers.get(ANSWER_HEADER, "").encode()):
        raise PurseError(
            f"The program at {url} is not the live service of this home: its answer (status {answer.status_code}) is "
            "not signed with the home's secret, so nothing is taken from it. It may be another user's program, a "
            f"service of another home or of another user than {getpass.getuser()}, or one started before an update. "
            "Restart this home's service ('purse down', 'purse up') on a free port (serving.port); if it runs on "
            f"another machine, give it and the steps the same {VARIABLE}."
        )
