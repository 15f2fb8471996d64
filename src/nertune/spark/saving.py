"""A NerTagger on disk: its parameters, and its model beside them in `<path>/model`."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter
from pyspark.sql import SparkSession

from nertune.errors import BundleError
from nertune.spark.delivery import folder_for, is_connect
from nertune.spark.models import SHIPPED, model_files

_INSIDE = "modelInside"
_LEAVE_OUT = "leave the model where it is, with setSaveModel(False)"


class TaggerWriter(DefaultParamsWriter):
    """Writes the parameters as pyspark.ml does, and a copy of the model."""

    def saveImpl(self, path: str) -> None:  # noqa: N802 - pyspark.ml calls it so
        """Save to a new path. Raises BundleError where the model cannot be copied there."""
        stage: Any = self.instance
        inside = bool(stage.value("saveModel"))
        folder = _source(stage) if inside else None
        self.saveMetadata(stage, path, _session(self.sparkSession), {_INSIDE: inside})
        if folder is not None:
            _copy(self.sparkSession, folder, path)


def _session(spark: SparkSession) -> Any:
    """What pyspark.ml reads and writes metadata by; before Spark 4 it knew only a context."""
    return spark if is_connect(spark) else spark.sparkContext


def _source(stage: Any) -> Path:
    model = stage.value("model")
    if model is None:
        raise BundleError("the NerTagger has no model to save; say NerTagger.load(folder)")
    folder = folder_for(model)
    if folder.startswith(SHIPPED) or not Path(folder).is_dir():
        raise BundleError(
            f"{folder}: the model cannot be saved with its pipeline, the driver does not see it as "
            f"a folder; {_LEAVE_OUT}"
        )
    return Path(folder)


def _copy(spark: SparkSession, folder: Path, path: str) -> None:
    place = local_path(spark, path)
    if place is None:
        _hadoop_copy(spark, folder, f"{path}/model")
        return
    if not (place / "metadata").is_dir():
        raise BundleError(
            f"{path}: the Spark Connect server saves on a disk that this machine does not see, so "
            f"that the model cannot be copied there; {_LEAVE_OUT}"
        )
    for name in model_files(folder):
        target = place / "model" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target)


def load_tagger(cls: Any, path: str) -> Any:
    """The saved NerTagger, with the model that was saved with it. Raises BundleError."""
    reader: DefaultParamsReader[Any] = cls.read()
    spark = reader.sparkSession
    stage = reader.load(path)
    if not DefaultParamsReader.loadMetadata(path, _session(spark)).get(_INSIDE):
        return stage
    place = local_path(spark, path)
    if place is not None:
        return stage.having(model=str((place / "model").absolute()))
    return stage.having(model=str(_fetched(spark, f"{path}/model")), delivery="ship")


def is_saved_stage(path: str) -> bool:
    """Whether `path` is a saved stage, and not a model folder or an id of the Hub."""
    if Path(path).exists():
        return (Path(path) / "metadata").is_dir()
    spark = SparkSession.getActiveSession()
    if spark is None or not (path.startswith(("/", "file:")) or "://" in path):
        return False
    try:
        return bool(spark.read.text(f"{path}/metadata").columns)
    except AnalysisException:  # there is no such path
        return False


# --- file systems ---


def local_path(spark: SparkSession, path: str) -> Path | None:
    """The path on this machine's disk that Spark writes to; None on another file system.

    Raises BundleError for another file system in Spark Connect, which gives no way to copy there.
    """
    scheme = path.partition(":")[0] if "://" in path or path.startswith("file:") else ""
    if not is_connect(spark):
        scheme = str(_hadoop(spark, path)[0].getUri().getScheme())
    elif scheme not in ("", "file"):
        raise BundleError(
            f"{path}: Spark Connect gives no way to copy a model to '{scheme}'; {_LEAVE_OUT}"
        )
    if scheme not in ("", "file"):
        return None
    return Path("/" + path.removeprefix("file:").lstrip("/") if path.startswith("file:") else path)


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The Hadoop file system of a path, and the path as it knows it."""
    jvm: Any = spark.sparkContext._jvm
    found = jvm.org.apache.hadoop.fs.Path(path)
    return found.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), found


def _hadoop_copy(spark: SparkSession, folder: Path, target: str) -> None:
    jvm: Any = spark.sparkContext._jvm
    for name in model_files(folder):
        system, path = _hadoop(spark, f"{target}/{name}")
        system.mkdirs(path.getParent())
        local = jvm.org.apache.hadoop.fs.Path((folder / name).as_uri())
        system.copyFromLocalFile(False, True, local, path)


def _fetched(spark: SparkSession, source: str) -> Path:
    """A copy of a model folder on the driver's disk; it stays until the driver ends."""
    place = Path(tempfile.mkdtemp(prefix="nertune-model-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    system, path = _hadoop(spark, source)
    jvm: Any = spark.sparkContext._jvm
    target = jvm.org.apache.hadoop.fs.Path((place / "model").as_uri())
    system.copyToLocalFile(False, path, target, True)
    return place / "model"
