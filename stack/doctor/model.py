"""Checks of the models: alias against the record of decisions, seals, files, releases."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.champion import moved_from, set_champion
from pipelines.tracking.champion_record import read_record
from pipelines.tracking.logged_model import fetch
from pipelines.tracking.registry import CHAMPION, version_of
from pipelines.tracking.runs import connect
from stack.doctor.finding import Finding


def champion(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001  # one form for all checks
    """The alias `champion`: as Purse set it, on a version of this home whose files are complete."""
    recorded = read_record(settings)
    if recorded is None and not (settings.home_path / "mlflow.db").exists():
        return  # nothing was trained yet
    client, name = connect(settings), settings.mlflow.model_name
    alias = version_of(client, name, CHAMPION)
    if alias is None and recorded is None:
        return
    if alias is None and recorded is not None:
        yield Finding(
            "champion",
            f"The alias 'champion' of '{name}' was removed in MLflow, so nothing is scored; it was on version "
            f"{recorded.version}.",
            f"purse champion {recorded.version}",
            partial(set_champion, settings, client, recorded.version),
        )
    before = moved_from(settings, alias)
    if before is not None:
        yield Finding(
            "champion",
            f"The alias 'champion' was moved by hand from version {before} to {alias}. Roll back, or leave it if you "
            "know who did it: the next promotion ends this finding.",
            "purse rollback",
        )
    version = alias or (recorded.version if recorded else "")
    yield from _files(settings, version)


def releases(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Releases of the live service whose files were changed."""
    for about in sorted((settings.serving_folder / "releases").glob("[!.]*/release.json")):
        for seal in sorted(about.parent.glob(f"*/{seals.SEAL_FILE}")):
            try:
                seals.require_sealed_folder(settings.home_path, seal.parent)
            except PurseError as error:
                yield Finding("releases", f"Release {about.parent.name}: {error}", "purse deploy")


def _files(settings: Settings, version: str) -> Iterator[Finding]:
    """Whether the files of a version are there and are the sealed ones."""
    from mlflow.exceptions import MlflowException

    try:
        found = connect(settings).get_model_version(settings.mlflow.model_name, version)
        digest = seals.require_sealed_version(settings, found)
        with tempfile.TemporaryDirectory() as folder:
            if seals.digest(fetch(settings, str(found.source), Path(folder))) != digest:
                raise seals.not_registered(settings, version)
    except seals.NotRegisteredHere as error:
        yield Finding("champion", str(error), f"purse trust {version}")
    except (MlflowException, PurseError) as error:
        yield Finding("champion", f"The champion, version {version}, can't be loaded: {error}", "purse rollback")
