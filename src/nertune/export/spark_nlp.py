"""A model in the folder that Spark NLP's `loadSavedModel` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from nertune.bundle import Bundle
from nertune.documents import Document
from nertune.errors import ExportError, OutputError
from nertune.export.annotators import (
    INSTEAD,
    Annotator,
    annotator_of,
    assets_of,
    case_sensitive,
    longest_sentence,
    settings_there,
    warnings_for,
)
from nertune.export.graphs import mark, size_of, trace
from nertune.export.proof import Exported, Gate, Proof
from nertune.export.writing import new_folder, refuse_full_disk, staging_in
from nertune.model import load_model
from nertune.runtimes.torch import TorchRuntime

GRAPH = "model.onnx"
_THERE = "torch, fed as there"

_ARTIFACTS = """\
| Spark | artifact |
|---|---|
| 3.0 to 3.5 | `com.johnsnowlabs.nlp:spark-nlp_2.12:7.0.0` |
| 4.0.0 | `com.johnsnowlabs.nlp:spark-nlp-spark400_2.13:7.0.0` |
| 4.0.1, 4.1.0 to 4.1.2 | `com.johnsnowlabs.nlp:spark-nlp_2.13:7.0.0` |
"""


@dataclass(frozen=True)
class SparkNlpModel:
    """What was written for Spark NLP, and how it is loaded there.

    annotator: the class. rows: what was measured; torch as nertune tags, torch fed as Spark NLP
    feeds the graph where that differs and there is a gate, the graph. warnings: what the model does
    otherwise there.
    """

    folder: Path
    annotator: str
    inputs: tuple[str, ...]
    assets: tuple[str, ...]
    case_sensitive: bool
    max_sentence_length: int
    rows: tuple[Exported, ...]
    warnings: tuple[str, ...]

    @property
    def python(self) -> str:
        """The lines that load it in Python."""
        place, saved = json.dumps(str(self.folder)), json.dumps(f"{self.folder}-loaded")
        return (
            "import sparknlp\n"
            f"from sparknlp.annotator import {self.annotator}\n\n"
            "spark = sparknlp.start()\n"
            "ner = (\n"
            f"    {self.annotator}.loadSavedModel({place}, spark)\n"
            '    .setInputCols(["sentence", "token"])\n'
            '    .setOutputCol("ner")\n'
            f"    .setCaseSensitive({self.case_sensitive})\n"
            f"    .setMaxSentenceLength({self.max_sentence_length})\n"
            ")\n"
            f"ner.write().overwrite().save({saved})\n"
        )

    @property
    def measured(self) -> str:
        """What F1 was found to be, in a line; without a gate, that it was not."""
        here, there = self.rows[0].f1, self.rows[-1].f1
        if here is None or there is None:
            return "F1 as Spark NLP feeds the graph was not measured"
        return f"F1: {here:.2f} as nertune tags, {there:.2f} as Spark NLP feeds the graph"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            **self.__dict__,
            "folder": str(self.folder),
            "rows": [row.to_dict() for row in self.rows],
            "python": self.python,
        }


def export_for_spark_nlp(
    bundle: Bundle,
    sentences: Sequence[Document],
    out: Path,
    *,
    gate: Gate | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> SparkNlpModel:
    """Write `model.onnx`, `assets/` and a README for Spark NLP into the new folder `out`.

    sentences, gate, progress: as in `export`. The fp32 graph is proved as Spark NLP feeds it: each
    sentence alone, no word shapes; with a gate F1 must not fall by more than it allows against
    torch as nertune tags. Raises ExportError for a model that Spark NLP would not read rightly,
    OutputError where `out` exists or cannot be written; then nothing stands there.
    """
    if os.path.lexists(out):
        raise OutputError(f"{out}: exists already; choose a folder with --out that does not")
    annotator = annotator_of(bundle)
    assets = assets_of(bundle, annotator)
    if bundle.weights is None:
        raise ExportError(f"{bundle.folder}: holds no weights to export, only graphs")
    network: Any = load_model(bundle)
    model: PreTrainedModel = network.float()
    with new_folder(out) as folder, staging_in(folder) as staging:
        refuse_full_disk(staging, 1e6 + size_of(model) * 1.2 + sum(map(len, assets.values())))
        proofs = _Proofs(bundle, model, sentences, gate, progress)
        rows = proofs.graph(staging / GRAPH, annotator)
        os.replace(staging / GRAPH, folder / GRAPH)
        (folder / "assets").mkdir()
        for name, content in assets.items():
            (folder / "assets" / name).write_bytes(content)
        made = SparkNlpModel(
            folder=out,
            annotator=annotator.name,
            inputs=annotator.feed.names,
            assets=tuple(sorted(assets)),
            case_sensitive=case_sensitive(bundle.tokenizer),
            max_sentence_length=longest_sentence(bundle),
            rows=tuple(rows),
            warnings=tuple(warnings_for(bundle, annotator)),
        )
        (folder / "README.md").write_text(_readme(made, annotator), encoding="utf-8")
    return made


@dataclass
class _Proofs:
    """What the graph must show, as Spark NLP feeds it."""

    bundle: Bundle
    model: PreTrainedModel
    sentences: Sequence[Document]
    gate: Gate | None
    progress: Callable[[str], None]

    def graph(self, path: Path, annotator: Annotator) -> list[Exported]:
        """Write the graph and measure it beside torch; the rows of what was found."""
        self.progress("finding entities with torch")
        runtime = TorchRuntime(self.model, "cpu")
        there = replace(self.bundle, settings=settings_there(self.bundle))
        proof = Proof(there, runtime, self.sentences, self.gate)
        rows = [proof.reference()]
        if self.gate and there.settings != self.bundle.settings:
            here = Proof(self.bundle, runtime, self.sentences, self.gate).reference()
            rows = [here, replace(rows[0], runtime=_THERE)]
        self.progress("writing the graph")
        trace(self.model, path, annotator.feed)
        mark(path, self.bundle)
        self.progress(f"proving it on {len(proof.expected.tags):,} sentences")
        rows.append(replace(proof.measure("onnx", path), file=GRAPH))
        self._refuse_drop(rows[0], rows[-1])
        return rows

    def _refuse_drop(self, here: Exported, graph: Exported) -> None:
        if self.gate is None or here.f1 is None or graph.f1 is None:
            return
        drop = here.f1 - graph.f1
        if drop > self.gate.max_drop:
            raise ExportError(
                f"F1 on {self.gate.path} falls by {drop:.2f} points, from {here.f1:.2f} as nertune "
                f"tags to {graph.f1:.2f} as Spark NLP feeds the graph (each sentence alone, no "
                f"word shapes); allowed are {self.gate.max_drop:g}. Nothing was written. Train "
                "with model.shapes=false and window.sentences=1, allow more with --max-drop, "
                f"{INSTEAD}"
            )


def _readme(made: SparkNlpModel, annotator: Annotator) -> str:
    """What lies in the folder and how it is loaded."""
    differences = [
        *made.warnings,
        "every word gets its likeliest tag by itself; nertune takes the likeliest allowed sequence",
        "sentences are cut at maxSentenceLength, and the words behind it get no tag",
    ]
    if annotator.pieces != "sentencepiece":
        differences.append("of a token such as AL-AIN only the first part, AL, is read")
    listed = "".join(f"- {line}\n" for line in differences)
    return (
        f"# A model for Spark NLP\n\nWritten by nertune for `{made.annotator}`; proved with ONNX "
        "Runtime, not run in Spark NLP.\n\n"
        f"```python\n{made.python}```\n\n{_ARTIFACTS}\n"
        f"{made.measured}.\n\nWhat differs from nertune:\n\n{listed}"
    )
