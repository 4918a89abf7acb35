"""`purse keys`: the API keys of the live service."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.output import AsJson, show
from pipelines.live.keys import Key, Keys, scopes_of
from pipelines.settings import load_settings
from serving.audit import record

app = typer.Typer(no_args_is_help=True, help="API keys of the live service: create, list, rotate, revoke.")
KeyId = Annotated[str, typer.Argument(help="The id of a key, as 'purse keys list' shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="read, write or admin; repeat it for several.")],
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    key, text = _keys().create(name, scopes_of(scope), datetime.now(UTC))
    _record("key.create", key)
    show({**_shown(key), "key": text}, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the keys, without what makes them work."""
    show({"keys": [_shown(key) for key in _keys().all()]}, as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[float, typer.Option(help="For how long the old key still works.", min=0)] = 24,
    as_json: AsJson = False,
) -> None:
    """Make a new key in the place of one, which goes on working for a while."""
    key, text = _keys().rotate(key_id, timedelta(hours=grace_hours), datetime.now(UTC))
    _record("key.rotate", key, replaces=key_id)
    show({**_shown(key), "key": text, "replaces": key_id}, as_json=as_json)


@app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Make a key void, at once."""
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
