"""Requests of this machine's steps to the live service."""

import getpass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx

from pipelines.errors import NothingToDo, PurseError
from pipelines.live.keys import Keys
from pipelines.settings import Settings

CONNECT_SECONDS = 3.0


DEPLOY_SECONDS = 900.0
"""Maximum time of a deploy: the service writes the release, opens it and loads all scores before it answers."""


def ask(settings: Settings, action: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Send an administrator's request to the service with the key of this home.

    Raises:
        NothingToDo: no service runs.
        PurseError: the service refuses, with its reason.
    """
    url = service_url(settings)
    headers = {"Authorization": f"Bearer {Keys(settings.serving_folder).own_key(now)}"}
    timeout = httpx.Timeout(DEPLOY_SECONDS, connect=CONNECT_SECONDS)
    try:
        with httpx.Client(trust_env=False, timeout=timeout, headers=headers) as client:
            answer = client.post(f"{url}/v1/admin/{action}", json=body)
    except httpx.ConnectError as error:
        raise NothingToDo(
            f"No live service answers at {url} ({error}). Start it with 'purse up' or 'purse serve', and run "
            f"'purse {action}' again; scores in the lake are as they were."
        ) from error
    except httpx.HTTPError as error:
        raise PurseError(
            f"The live service at {url} broke off ({type(error).__name__}: {error}). See its log with 'purse logs "
            f"serving', and run 'purse {action}' again; it ends what was begun or changes nothing."
        ) from error
    if not answer.is_success:
        raise PurseError(_reason(answer, url, action))
    result: dict[str, Any] = answer.json()
    return result


def service_url(settings: Settings) -> str:
    """Address of the live service."""
    return settings.serving.url or f"http://{settings.services.host}:{settings.serving.port}"


def _reason(answer: httpx.Response, url: str, action: str) -> str:
    try:
        reason = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        reason = f"it answers with status {answer.status_code}, which is no answer of Purse"
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        reason += f" The service may be of another home than this one, or of another user than {getpass.getuser()}."
    return f"{action} was refused by the live service at {url}: {reason}"
