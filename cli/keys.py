"""Commands for the API keys of the live service."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.output import AsJson, show
from pipelines.audit import record
from pipelines.live.keys import LIFETIME, Key, Keys, scopes_of
from pipelines.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="API keys of the live service: create, list, rotate, revoke.")
Days = Annotated[int, typer.Option(help="Days until the key expires.", min=1, max=3650)]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as shown by 'purse keys list'.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the key: its purpose.")],
    scope: Annotated[list[str], typer.Option(help="read, write or admin. Repeatable.")],
    days: Days = LIFETIME.days,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it once: only its hash is stored."""
    key, text = _keys().create(name, scopes_of(scope), datetime.now(UTC), timedelta(days=days))
    _record("key.create", key)
    show({**_shown(key), "key": text}, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the keys without their secrets; warn of those that expire within 14 days, or never."""
    now = datetime.now(UTC)
    show({"keys": [_shown(key) | {"warning": key.warning(now)} for key in _keys().all()]}, as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[float, typer.Option(help="Hours for which the old key stays valid.", min=0)] = 24,
    days: Days = LIFETIME.days,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one; the old key stays valid for the grace period."""
    grace, lifetime = timedelta(hours=grace_hours), timedelta(days=days)
    key, text = _keys().rotate(key_id, grace, datetime.now(UTC), lifetime)
    _record("key.rotate", key, replaces=key_id)
    show({**_shown(key), "key": text, "replaces": key_id}, as_json=as_json)


@app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Revoke a key at once."""
    key = _keys().revoke(key_id, datetime.now(UTC))
    _record("key.revoke", key)
    show(_shown(key), as_json=as_json)


def _keys() -> Keys:
    return Keys(load_settings().serving_folder)


def _record(action: str, key: Key, **details: str) -> None:
    who = f"user {getpass.getuser()}"
    facts = {"key_id": key.key_id, "name": key.name, "scopes": ",".join(key.scopes), **details}
    record(load_settings().serving_folder, datetime.now(UTC), who, action, "done", **facts)


def _shown(key: Key) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
