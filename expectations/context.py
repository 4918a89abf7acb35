"""Context of Great Expectations: kept in memory for one call; only results and pages are written to files."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext

IN_MEMORY = {"class_name": "InMemoryStoreBackend"}


def make_context(data_docs: Path | None) -> "AbstractDataContext":
    """Create a context that stores results and pages under `data_docs`; None: it stores nothing."""
    # the decorators of Great Expectations log hundreds of lines during the import
    logging.getLogger("great_expectations._docs_decorators").setLevel(logging.WARNING)
    with warnings.catch_warnings():  # Great Expectations imports PySpark, which warns about newer versions of pandas
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        import great_expectations as gx
        from great_expectations.data_context.types.base import DataContextConfig

    config = DataContextConfig(
        config_version=4.0,
        expectations_store_name="expectations",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        stores={
            "expectations": {"class_name": "ExpectationsStore", "store_backend": IN_MEMORY},
            "results": {"class_name": "ValidationResultsStore", "store_backend": _files(data_docs, "results")},
            "checkpoints": {"class_name": "CheckpointStore", "store_backend": IN_MEMORY},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore", "store_backend": IN_MEMORY},
        },
        data_docs_sites={"purse": _site(data_docs)} if data_docs else {},
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _files(data_docs: Path | None, folder: str) -> dict[str, str]:
    if data_docs is None:
        return IN_MEMORY
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.absolute() / folder)}


def _site(data_docs: Path) -> dict[str, Any]:
    validations = {
        "class_name": "DefaultSiteSectionBuilder",
        "source_store_name": "results",
        "renderer": {"module_name": "expectations.escaping", "class_name": "SafeRenderer"},
        "view": {"module_name": "expectations.escaping", "class_name": "SafeView"},
    }
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": _files(data_docs, ""),
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {"validations": validations, "expectations": "None", "profiling": "None"},
    }
