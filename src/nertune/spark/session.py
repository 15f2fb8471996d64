"""A Spark session on this machine, with what nertune needs; errors that say what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from nertune.errors import DependencyError

_SETTINGS = {
    # A transfer unit only: texts are long, and batches of the model are made anew.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}


class JavaError(DependencyError):
    """Java, which Spark runs on, is missing or too old."""

    def __init__(self, what: str) -> None:
        Exception.__init__(
            self,
            f"Spark {pyspark.__version__} needs Java {_least()} or newer: {what}. Install it with: "
            "apt-get install openjdk-17-jre-headless (Debian, Ubuntu), brew install openjdk@17 "
            "(macOS), or conda install openjdk=17; where it is installed already, let JAVA_HOME "
            "name its folder",
        )


def start(
    master: str | None = None,
    *,
    remote: str | None = None,
    app: str = "nertune",
    settings: Mapping[str, str] | None = None,
) -> SparkSession:
    """A session, or the one there is; what `sparknlp.start()` is there.

    master: none given, that of the cluster's own settings, else all cores of this machine. remote:
    a Spark Connect server (`sc://host:15002`), or `local[2]` for one on this machine. Workers on
    this machine run the Python that runs this. settings: more of Spark's own, by their names.
    Raises JavaError where a session on this machine cannot run.
    """
    if remote is None or not remote.startswith("sc://"):
        check_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app)
    if remote is not None:
        builder = builder.remote(remote)
    elif master is not None:
        builder = builder.master(master)
    for name, value in {**_SETTINGS, **(settings or {})}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def check_java() -> int:
    """The version of the Java that Spark will run on. Raises JavaError."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None:
        raise JavaError("there is no program 'java', and JAVA_HOME is not set")
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaError(f"{program} cannot be run ({error})") from error
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    version = int(found[1]) if found else 0
    if version < _least():
        raise JavaError(f"{program} is of version {version}")
    return version


def _least() -> int:
    return 17 if int(pyspark.__version__.partition(".")[0]) >= 4 else 8
