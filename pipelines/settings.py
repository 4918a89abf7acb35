"""Settings, read from conf/purse.yaml, then the file named by PURSE_CONFIG, then PURSE_* variables.

Settings are frozen and reject unknown keys, so a typo stops the run before it does any work.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from pipelines.errors import Mistake
from pipelines.sections import (
    Airflow,
    Count,
    Dashboard,
    Ingest,
    Mlflow,
    Monitor,
    Preprocessing,
    Promotion,
    Scoring,
    Services,
    Serving,
    Snapshots,
    Spark,
    Sweep,
    Training,
)
from pipelines.variables import require_known

REPOSITORY = Path(__file__).resolve().parent.parent
"""The folder of the packages and conf/: a checkout, or the site-packages of an installed wheel."""

DEFAULTS = REPOSITORY / "conf" / "purse.yaml"

BASE = REPOSITORY if (REPOSITORY / "pyproject.toml").is_file() else Path.cwd()
"""Where relative paths of the settings start: the checkout, or for an installed wheel the current folder."""


class Settings(BaseSettings):
    """All settings; see conf/purse.yaml for their meaning and defaults."""

    model_config = SettingsConfigDict(env_prefix="PURSE_", env_nested_delimiter="__", frozen=True, extra="forbid")

    source: str
    horizon_days: Count
    country: str | None
    home: Path
    lake_root: str | None
    engine: Literal["duckdb", "spark"]
    source_root: Path | None
    memory: Annotated[str, Field(pattern=r"^\d+ ?[MG]B$")]
    ingest: Ingest
    spark: Spark
    snapshots: Snapshots
    preprocessing: Preprocessing
    sweep: Sweep
    training: Training
    mlflow: Mlflow
    promotion: Promotion
    scoring: Scoring
    monitor: Monitor
    airflow: Airflow
    dashboard: Dashboard
    services: Services
    serving: Serving

    @field_validator("home")
    @classmethod
    def _home_is_a_plain_path(cls, home: Path) -> Path:
        """Reject characters that the lake's reader interprets as patterns."""
        if characters := sorted(set("[]*?") & set(str(home))):
            raise ValueError(f"a folder with {' '.join(characters)} in its name can't hold tables: choose another home")
        return home

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = [DEFAULTS, *(Path(f) for f in [os.environ.get("PURSE_CONFIG")] if f)]
        yaml = YamlConfigSettingsSource(settings_cls, yaml_file=files, deep_merge=True)
        return init_settings, env_settings, yaml

    @cached_property
    def home_path(self) -> Path:
        return self.home if self.home.is_absolute() else BASE / self.home

    @property
    def lake(self) -> str:
        """Root of the Delta tables: a path or an object-store URL."""
        root = self.lake_root or str(self.home_path / "lake")
        return root if "://" in root else str(BASE / root)

    @property
    def source_root_path(self) -> Path:
        """Folder that replaces {source_root} in a source file."""
        root = self.source_root or self.home_path
        return root if root.is_absolute() else BASE / root

    @property
    def serving_folder(self) -> Path:
        """Folder of the live service: releases, embedded store, keys and logs."""
        return self.home_path / "serving"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow.tracking_uri or f"sqlite:///{self.home_path / 'mlflow.db'}"

    @property
    def exports(self) -> Path:
        return self.home_path / "exports"

    @property
    def data_docs(self) -> Path:
        return self.home_path / "data_docs"

    def with_changes(self, **changes: object) -> "Settings":
        """Copy the settings with some replaced; a nested setting is named `section__key`."""
        data = self.model_dump()
        for name, value in changes.items():
            *path, key = name.split("__")
            section = data
            for part in path:
                section = section[part]
            section[key] = value
        return Settings.model_validate(data)


SECRET = re.compile(r"password|passwd|secret|token|credential|(^|_)key$", re.IGNORECASE)
"""Names of keys whose values may be secrets."""


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        Mistake: a key or a PURSE_ variable is unknown, or a value is invalid; the message names its place.
    """
    require_known(Settings, os.environ)
    config = os.environ.get("PURSE_CONFIG")
    if config and not Path(config).is_file():
        raise Mistake(f"PURSE_CONFIG names '{config}', which is not a file. Correct the path or unset it.")
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (found {_shown(e)})" for e in error.errors()]
        places = f"conf/purse.yaml{', ' + config if config else ''} and PURSE_* variables"
        raise Mistake(
            f"The settings ({places}) are invalid:\n"
            + "\n".join(lines)
            + "\nCorrect them; conf/purse.yaml explains every key."
        ) from None  # pydantic's own error shows the values


def _shown(fault: ErrorDetails) -> str:
    """Rejected value as a message shows it: of a map only the keys, of a key that may name a secret nothing."""
    if any(SECRET.search(str(part)) for part in fault["loc"]):
        return "a value that is left out"
    value = fault["input"]
    return f"a map of {', '.join(map(str, value))}" if isinstance(value, dict) else repr(value)
