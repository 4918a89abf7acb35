"""Predictions on Spark's workers, which import this module: each has the whole model and a part of the users."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


def answers(rows: "DataFrame", ask: "Callable[[pd.DataFrame], pd.DataFrame]", columns: str) -> "pd.DataFrame":
    """Predictions of a model in no particular order.

    Args:
        rows: `user_id` and the model's inputs.
        ask: method of the model, sent to each worker once.
        columns: columns of its result without `user_id`, as Spark declares them.
    """
    context = rows.sparkSession.sparkContext
    sent = context.broadcast(ask)
    backend = os.environ.get("KERAS_BACKEND")

    def of_part(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if backend:  # workers may have started before the setting was read
            os.environ["KERAS_BACKEND"] = backend
        for batch in batches:
            if batch.num_rows:
                yield _answer(sent.value, batch)

    parts = rows.repartition(context.defaultParallelism, "user_id")  # a small table is one file, read by one worker
    return parts.mapInArrow(of_part, f"user_id string, {columns}").toArrow().to_pandas()


def _answer(ask: "Callable[[pd.DataFrame], pd.DataFrame]", batch: pa.RecordBatch) -> pa.RecordBatch:
    users = batch.to_pandas()
    found = ask(users.drop(columns="user_id"))
    found.insert(0, "user_id", users["user_id"])
    return pa.RecordBatch.from_pandas(found, preserve_index=False)
