"""The order of the modules, and the few doors that heavy packages come in by.

Every import in the package is read, those inside functions too.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "nertune"

# A module imports only what stands before it. `nertune` is the package's own `__init__`.
ORDER = (
    "errors", "files", "schemes", "documents", "splitting", "scoring", "statistics", "analysis",
    "config", "data", "splits", "pairing", "encoding", "corpus", "batching", "posteriors",
    "decoding", "bundle", "modelnames", "modelhub", "model", "cores", "runtimes",
    "runtime_choice", "doctor", "tables", "engine", "interop", "nertune", "streaming", "evaluation",
    "export", "training", "autopush", "reports", "card", "testing", "spark", "cli", "__main__",
)  # fmt: skip

MEANING = (
    "errors", "files", "schemes", "documents", "splitting", "scoring", "statistics", "analysis",
    "config", "data",
)  # fmt: skip
MEANING_MAY_USE = {"config": {"numpy", "pydantic", "yaml"}}

ANYWHERE, IN_FUNCTIONS = "anywhere", "in functions"
DOORS = {
    "torch": {
        "model": ANYWHERE,
        "runtimes.torch": ANYWHERE,
        "training": ANYWHERE,
        "testing.networks": ANYWHERE,
        "runtime_choice": IN_FUNCTIONS, "export": ANYWHERE,
    },
    "transformers": {
        "export": ANYWHERE,
        "model": ANYWHERE,
        "runtimes.torch": ANYWHERE,
        "training": ANYWHERE,
        "autopush": ANYWHERE,
        "testing.networks": ANYWHERE,
    },
    "huggingface_hub": {"modelhub": IN_FUNCTIONS, "card.metadata": IN_FUNCTIONS},
    "accelerate": {"training": ANYWHERE},
    "datasets": {"data.hub": IN_FUNCTIONS},
    "pyarrow": {
        "data.tables": IN_FUNCTIONS,
        "data.parquet": IN_FUNCTIONS,
        "interop": IN_FUNCTIONS,
        "spark": ANYWHERE,
    },
    "onnx": {"export": ANYWHERE},
    "onnxruntime": {"runtimes.onnx": ANYWHERE, "export": ANYWHERE},
    "pyspark": {"spark": ANYWHERE},
    "pandas": {"spark": ANYWHERE, "interop": IN_FUNCTIONS, "tables": IN_FUNCTIONS},
}


@dataclass(frozen=True)
class Import:
    """One import: who, whom, where."""

    importer: str
    target: str
    line: int
    in_function: bool

    @property
    def where(self) -> str:
        return f"nertune.{self.importer}, line {self.line}: imports {self.target}"


def module_name(path: Path) -> str:
    """`nertune/data/rows.py` as `data.rows`; the package's own `__init__` as `nertune`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        return "nertune"
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_in(source: str, importer: str) -> Iterator[Import]:
    yield from _visit(ast.parse(source), importer, in_function=False)


def _visit(node: ast.AST, importer: str, in_function: bool) -> Iterator[Import]:
    inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(importer, alias.name, node.lineno, in_function)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            is_module = whole.removeprefix("nertune.") in MODULES
            yield Import(importer, whole if is_module else base, node.lineno, in_function)
    for child in ast.iter_child_nodes(node):
        yield from _visit(child, importer, inside)


def layer(module: str) -> str:
    return module.partition(".")[0]


def own(target: str) -> str | None:
    """The module of ours that an import means."""
    if target == "nertune":
        return "nertune"
    return target.removeprefix("nertune.") if target.startswith("nertune.") else None


def faults_of(found: Import) -> Iterator[str]:
    """Every rule that an import breaks."""
    if found.target.startswith("."):
        yield f"{found.where}: write the whole name"
        return
    module = own(found.target)
    if module is not None:
        yield from _order_faults(found, module)
        return
    package = layer(found.target)
    if package in sys.stdlib_module_names:
        return
    importer = layer(found.importer)
    heavy = package in DOORS
    if importer in MEANING and not heavy:
        if package not in MEANING_MAY_USE.get(importer, {"numpy"}):
            yield f"{found.where}: {importer} is made of the standard library and numpy"
    elif heavy and not _comes_by_a_door(found, package):
        yield f"{found.where}: not a door of {package}"


def _order_faults(found: Import, module: str) -> Iterator[str]:
    mine, other = layer(found.importer), layer(module)
    if mine == other:
        if mine == "runtimes" and module not in ("runtimes", found.importer):
            yield f"{found.where}: runtimes do not know each other"
        return
    unknown = [name for name in (mine, other) if name not in ORDER]
    if unknown:
        yield f"{found.where}: give {unknown[0]} its place in ORDER"
    elif ORDER.index(other) > ORDER.index(mine):
        yield f"{found.where}: {other} stands after {mine}"


def _comes_by_a_door(found: Import, package: str) -> bool:
    for door, extent in DOORS[package].items():
        if found.importer == door or found.importer.startswith(f"{door}."):
            return extent == ANYWHERE or found.in_function
    return False


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_it_may(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    faults = [fault for found in imports_in(source, module) for fault in faults_of(found)]
    assert not faults, "\n".join(faults)


def test_every_module_has_its_place() -> None:
    assert {layer(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize(
    ("importer", "source", "fault"),
    [
        ("errors", "import nertune.engine", "engine stands after errors"),
        ("documents", "from nertune import scoring", "scoring stands after documents"),
        ("engine", "def f():\n    from nertune.training import train", "training stands after"),
        ("bundle", "from nertune import __version__", "nertune stands after bundle"),
        ("training.run", "from nertune.cli.main import main", "cli stands after training"),
        ("schemes", "from . import errors", "write the whole name"),
        ("novelty", "import nertune.errors", "give novelty its place"),
        ("schemes", "import pydantic", "standard library and numpy"),
        ("data.rows", "def f():\n    import rich", "standard library and numpy"),
        ("config", "import tokenizers", "standard library and numpy"),
        ("encoding.arrays", "import torch.nn as nn", "not a door of torch"),
        ("cli.main", "def f():\n    import torch", "not a door of torch"),
        ("engine", "import torch", "not a door of torch"),
        ("modelling", "import torch", "not a door of torch"),
        ("modelhub.pushing", "import huggingface_hub", "not a door of huggingface_hub"),
        ("data.columns", "def f():\n    import datasets", "not a door of datasets"),
        ("runtimes.torch", "import onnxruntime", "not a door of onnxruntime"),
        ("runtimes.onnx", "from nertune.runtimes.torch import x", "do not know each other"),
    ],
)
def test_the_rules_find_what_breaks_them(importer: str, source: str, fault: str) -> None:
    faults = [text for found in imports_in(source, importer) for text in faults_of(found)]
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("runtime_choice", "def f():\n    import torch"),
        ("training.trainer", "from transformers import Trainer"),
        ("data.rows", "from nertune.data.source import Fault"),
        ("cli.scores", "def f():\n    from nertune.training import train"),
        ("config", "import yaml, os, numpy.typing"),
    ],
)
def test_the_rules_let_pass_what_keeps_them(importer: str, source: str) -> None:
    assert not [text for found in imports_in(source, importer) for text in faults_of(found)]


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {_plain(re.split(r"[^\w.-]", line)[0]) for line in project["dependencies"] + extras}
    distributions = packages_distributions()
    undeclared = [
        found.where
        for module, path in MODULES.items()
        for found in imports_in(path.read_text(encoding="utf-8"), module)
        if own(found.target) is None
        and (package := layer(found.target)) not in sys.stdlib_module_names
        and not {_plain(name) for name in distributions.get(package, [package])} & declared
    ]
    assert not undeclared, "\n".join(undeclared)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# --- what importing costs ---


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["nertune", "nertune.cli.main"])
def test_importing_brings_in_no_heavy_package(module: str) -> None:
    loaded = python(f"import sys, {module}; print(*sys.modules)").split()
    assert "nertune" in loaded
    assert not {layer(name) for name in loaded} & {*DOORS, "tensorboard"}


def test_all_but_the_doors_work_without_heavy_packages() -> None:
    behind_doors = {
        door
        for doors in DOORS.values()
        for door, extent in doors.items()
        if extent == ANYWHERE
    }
    names = [
        f"nertune.{module}"
        for module in MODULES
        if not any(f"{module}.".startswith(f"{door}.") for door in behind_doors)
        and module not in ("nertune", "__main__")
    ]
    assert len(names) > 30
    blocked = "".join(f"sys.modules[{package!r}] = None\n" for package in DOORS)
    python(f"import sys, importlib\n{blocked}for name in {names!r}: importlib.import_module(name)")


def test_importing_nertune_is_quick() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        python("import nertune")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.8
