"""F1 of dev: as nertune tags, as Spark NLP feeds the graph, and as it also reads words.

Spark NLP itself is not run: its reading is the one told anew in tests/spark_nlp_reading.py. There
is no bar: the figures say what the export costs.

    python benchmarks/spark_nlp_f1.py conll2003-en MODEL
    python benchmarks/spark_nlp_f1.py wikiann-en MODEL
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from common import corpora, write

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from spark_nlp_reading import SparkNlp

DEV = {"conll2003-en": ("eng.testa", ""), "wikiann-en": ("dev", "en:")}
BATCH = 32


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", choices=DEV)
    parser.add_argument("model")
    options = parser.parse_args()
    from nertune.bundle import load_bundle, model_folder
    from nertune.config import ReadSettings
    from nertune.data import read
    from nertune.export import Gate, export_for_spark_nlp
    from nertune.scoring import score

    file, prefix = DEV[options.corpus]
    path, settings = corpora() / options.corpus / file, ReadSettings(word_prefix=prefix)
    documents = list(read(path, settings))
    bundle = load_bundle(model_folder(options.model))
    with tempfile.TemporaryDirectory() as place:
        gate = Gate(path, settings, max_drop=100.0)
        made = export_for_spark_nlp(bundle, documents, Path(place) / "made", gate=gate)
        there = SparkNlp.load(made, ("[CLS]", "[SEP]"), padding=0)
        sentences = [
            (document.words[a:b], (document.tags or ())[a:b])
            for document in documents
            for a, b in document.sentences
        ]
        words = [words for words, _ in sentences]
        tags = [
            found for i in range(0, len(words), BATCH) for found in there.tags(words[i : i + BATCH])
        ]
        otherwise = sum(
            there.pieces(word) != bundle.tokenizer.encode(word, add_special_tokens=False).tokens
            for sentence in words
            for word in sentence
        )
    write(
        f"spark_nlp_f1-{options.corpus}",
        {
            "f1": {row.runtime: row.f1 for row in made.rows if row.f1 is not None},
            "f1_words_read_as_there": 100 * score([gold for _, gold in sentences], tags).micro.f1,
            "words_read_otherwise_percent": 100 * otherwise / sum(map(len, words)),
        },
    )


if __name__ == "__main__":
    main()
