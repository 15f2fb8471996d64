"""How a model comes to the workers, and the proof that it is there before a job starts."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from nertune.bundle import model_folder
from nertune.errors import BundleError
from nertune.modelhub import find_model, is_hub_id
from nertune.spark.models import (
    SHIPPED,
    ModelSpec,
    Proved,
    fingerprint_of,
    model_files,
    report,
)

_ENOUGH = 1024
_CURES = (
    "Put the folder where every worker has it under this path (a shared file system), or let Spark "
    "send it: NerTagger(..., delivery='ship')"
)
_NO_NERTUNE = (
    "the workers cannot import nertune. Install it, with its extras 'spark' and 'onnx', for the "
    "Python that they run: the one that PYSPARK_PYTHON names (on one machine: "
    "os.environ['PYSPARK_PYTHON'] = sys.executable before the session starts, as "
    "nertune.spark.start does)"
)


def is_connect(spark: SparkSession) -> bool:
    """Whether the session is one of Spark Connect."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def folder_for(model: str) -> str:
    """The folder that is meant, as the workers are told it.

    A folder that the driver sees is given as its whole path, that of a name or a Hub id is found or
    downloaded first; what the driver does not see is left to the workers. Raises BundleError.
    """
    path = model.removeprefix("file://") if model.startswith("file:/") else model
    if path.startswith(SHIPPED):
        return path
    if Path(path).exists():
        return str(model_folder(path).resolve())
    if not path.startswith(("/", "~")) and "://" not in path and is_hub_id(path.partition("@")[0]):
        return str(find_model(path).resolve())
    return path


def ship(spark: SparkSession, folder: str | Path) -> str:
    """Send a model folder to the workers; returns the name by which a NerTagger finds it.

    Goes as an archive: `addArchive` in classic Spark, `addArtifacts` in Spark Connect. The same
    model is sent once a session. Raises BundleError where the folder holds no model.
    """
    folder = Path(folder_for(str(folder)))
    if not folder.is_dir():
        raise BundleError(f"{folder}: cannot be sent, there is no such model folder on the driver")
    name = f"nertune-{fingerprint_of(folder)}"
    archive = _archive(folder, name)
    if is_connect(spark):
        spark.addArtifacts(f"{archive}#{name}", archive=True)
    else:
        spark.sparkContext.addArchive(f"{archive}#{name}")
    return SHIPPED + name


@cache
def _place() -> Path:
    """Where archives live while we do; one, since Spark keeps an archive under its first path."""
    place = Path(tempfile.mkdtemp(prefix="nertune-ship-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _archive(folder: Path, name: str) -> Path:
    """A zip of what the model is loaded from, the same bytes each time."""
    path = _place() / f"{name}.zip"
    if path.exists():
        return path
    partial = path.with_suffix(f".{uuid.uuid4().hex}")  # another thread may write it too
    with zipfile.ZipFile(partial, "w") as archive:
        for file in model_files(folder):
            plain = zipfile.ZipInfo(file)  # without a date; with room for more than two gigabytes
            with (
                (folder / file).open("rb") as source,
                archive.open(plain, "w", force_zip64=True) as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
    os.replace(partial, path)
    return path


def prove(spark: SparkSession, spec: ModelSpec, case_sensitive: bool | None) -> Proved:
    """Load the model on the workers, in a small job of its own.

    Raises BundleError where a worker cannot read the model, where workers have different ones or
    run it by different runtimes, or where it is cased and `case_sensitive` says otherwise.
    """
    answers = _answers(spark, spec)
    for answer in answers:
        if answer.get("fault"):
            raise BundleError(_not_loaded(spec, answer))
    if listed := _differing(answers, "fingerprint"):
        raise BundleError(
            f"{spec.path}: the workers have different models under this path (fingerprints "
            f"{listed}); copy the same folder everywhere"
        )
    if listed := _differing(answers, "runtime"):
        raise BundleError(
            f"{spec.path}: the workers would run it by different runtimes ({listed}); install the "
            "same packages everywhere, or name the runtime"
        )
    lowers_text = answers[0]["lowers"]
    if case_sensitive is not None and case_sensitive == lowers_text:
        kind = "uncased: it reads all text in lower case" if lowers_text else "cased"
        raise BundleError(
            f"{spec.path}: caseSensitive={case_sensitive}, but the model is {kind}. Expected "
            f"setCaseSensitive({not case_sensitive}), or leave it out; or take another model"
        )
    one = answers[0]
    return Proved(
        replace(spec, fingerprint=one["fingerprint"]), one["runtime"], tuple(one["labels"])
    )


def _differing(answers: list[dict[str, Any]], fact: str) -> str:
    """Where workers do not agree in it, what each says; else nothing."""
    hosts = {answer[fact]: answer["host"] for answer in answers}
    if len(hosts) == 1:
        return ""
    return ", ".join(f"{value} on {host}" for value, host in sorted(hosts.items()))


def _not_loaded(spec: ModelSpec, answer: dict[str, Any]) -> str:
    told = f"{spec.path}: cannot be loaded on the worker {answer['host']} ({answer['fault']})"
    if spec.path.startswith(SHIPPED) or answer["there"]:
        return told
    here = " The driver can read it, the worker cannot." if Path(spec.path).exists() else ""
    return f"{told}.{here} {_CURES}"


def _answers(spark: SparkSession, spec: ModelSpec) -> list[dict[str, Any]]:
    """What each task of a small job has to say: one a core, so that every worker has its say."""
    asked = spark.range(0, _ENOUGH)  # Spark divides it among all cores
    kind = StructType([StructField("answer", StringType())])
    frame: DataFrame = asked.mapInArrow(_asker(spec), kind)
    try:
        return [json.loads(row[0]) for row in frame.collect()]
    except PySparkException as error:
        if "No module named 'nertune'" in str(error):
            raise BundleError(_NO_NERTUNE) from error
        raise


def _asker(spec: ModelSpec) -> Any:
    def ask(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"answer": [json.dumps(report(spec))]})

    return ask
