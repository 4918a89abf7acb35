"""Spark behind Ibis: a session, and what the lake needs beyond Ibis's own backend."""

import os
import sys
import warnings
from collections.abc import Sequence

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from pipelines.errors import PurseError
from pipelines.settings import Settings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    from ibis.backends.pyspark import Backend
    from ibis.backends.pyspark.datatypes import PySparkSchema
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    from pyspark.errors import PySparkException
    from pyspark.sql import DataFrame, SparkSession

LOOPBACK = "127.0.0.1"


class SparkCompiler(PySparkCompiler):
    """Ibis's SQL for Spark with one missing function, and a 64-bit hash instead of 32 bits."""

    SIMPLE_OPS = {ops.BitXor: "bit_xor", ops.Hash: "xxhash64"}  # noqa: RUF012 - Ibis reads it when the class is made


class SparkBackend(Backend):
    """Ibis's Spark backend with lists of files and stored tables; rows are returned as Arrow, not through pandas."""

    compiler = SparkCompiler()

    def frame(self, table: ir.Table) -> DataFrame:
        """Lazy Spark frame of an expression."""
        return self._session.sql(self.compile(table))

    def read_files(self, uris: Sequence[str], schema: ibis.Schema) -> ir.Table:
        """Read Parquet files of a table partitioned by folder; missing columns are null.

        Raises:
            FileNotFoundError: a file no longer exists.
        """
        root = uris[0].rsplit("/", 2)[0]
        reader = self._session.read.schema(PySparkSchema.from_ibis(schema)).option("basePath", root)
        try:
            return self._view(reader.parquet(*uris))
        except PySparkException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            raise FileNotFoundError(str(error)) from error

    def create_table(
        self,
        name: str,
        obj: ir.Table | None = None,
        *,
        schema: ibis.Schema | None = None,
        temp: bool | None = None,
        **options: object,
    ) -> ir.Table:
        """Extend Ibis by temporary tables: computed when first read, stored in memory and on disk."""
        if not temp:
            return super().create_table(name, obj, schema=schema, **options)
        if obj is not None:
            return self._view(self.frame(obj).persist(), name)
        return self._view(self._session.createDataFrame([], PySparkSchema.from_ibis(schema)), name)

    def to_pyarrow(self, expr: ir.Expr, /, **options: object) -> pa.Table | pa.ChunkedArray | pa.Scalar:  # noqa: ARG002 - Ibis' signature
        """Collect all rows in the driver's memory."""
        table = expr.as_table()
        schema = table.schema().to_pyarrow()
        every_null = pa.schema([field.with_nullable(nullable=True) for field in schema])
        return expr.__pyarrow_result__(self.frame(table).toArrow().cast(every_null))

    def _view(self, frame: DataFrame, name: str | None = None) -> ir.Table:
        name = name or ibis.util.gen_name("rows")
        frame.createOrReplaceTempView(name)
        return self.table(name)


def connect(settings: Settings) -> SparkBackend:
    """Session of this process; the first call starts it.

    Raises:
        PurseError: Spark does not start.
    """
    local = settings.spark.master.startswith("local")
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the first python3 on the PATH lacks the packages
    builder = SparkSession.builder.appName("purse").master(settings.spark.master)
    for key, value in {**_properties(settings, local=local), **settings.spark.options}.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # errors of Java, of its gateway, or of Spark
        raise PurseError(
            f"Spark did not start at '{settings.spark.master}': {error}. Java 17 is needed; look at the lines above, "
            "correct the section 'spark' of the settings, or set engine to duckdb."
        ) from error
    SparkBackend.register_options()
    return SparkBackend().connect(session)


def _properties(settings: Settings, *, local: bool) -> dict[str, str]:
    properties = {
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.driver.maxResultSize": "0",  # the driver accepts results of any size
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        "spark.sql.warehouse.dir": str(settings.home_path / "spark"),
    }
    if local:  # loopback only, one partition per core, and file listing without a job
        properties |= {
            "spark.driver.host": LOOPBACK,
            "spark.driver.bindAddress": LOOPBACK,
            "spark.sql.shuffle.partitions": str(os.cpu_count() or 1),
            "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        }
    return properties
