"""Examples from the data: names of each label, and sentences to try the model on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nertune.card.text import one_line, readable
from nertune.config import ReadSettings, Recipe
from nertune.documents import Document
from nertune.errors import NertuneError
from nertune.evaluation import PREDICTIONS
from nertune.splits import read_split

_FORMS = 4
_LONGEST_FORM = 40
_SENTENCES = 3
_SENTENCE_WORDS = range(8, 26)
_BEST_LENGTH = 14
# Enough to tell the frequent names from the rest; a label that is rare may take longer to find.
_ENOUGH_WORDS = 100_000
_MOST_WORDS = 500_000


@dataclass(frozen=True)
class Examples:
    """Frequent surface forms by label, where they are from, and sentences of running text."""

    forms: dict[str, list[str]] = field(default_factory=dict)
    source: str = ""
    sentences: list[str] = field(default_factory=list)


def find_examples(
    labels: Sequence[str], recipe: Recipe | None, run: Path | None, local: bool
) -> Examples:
    """Forms from the training text, else from the gold tags of the test predictions.

    Sentences are from the test text where there is one, for the model has learnt the others.
    local: whether the recipe's data are files here; a data set of the Hub is not asked for.
    """
    train = list(_training_text(recipe, labels)) if recipe and local else []
    test = list(_test_text(run)) if run else []
    for source, documents in (("training", train), ("test", test)):
        if documents:
            forms = surface_forms(documents, labels)
            return Examples(forms, source, example_sentences(test or train))
    return Examples()


def surface_forms(documents: Iterable[Document], labels: Sequence[str]) -> dict[str, list[str]]:
    """The most frequent forms of each label, those that differ in capitals once."""
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for document in documents:
        for entity in document.entities:
            form = one_line(entity.text)
            if entity.label in counts and len(form) <= _LONGEST_FORM:
                counts[entity.label][form] += 1
    return {label: _distinct(forms) for label, forms in counts.items()}


def example_sentences(documents: Iterable[Document]) -> list[str]:
    """Sentences of usual length and mostly of words, with as many labels as can be had."""
    found: list[tuple[int, bool, int, str]] = []
    for document in documents:
        words, spans = document.words, document.label_spans
        for start, end in document.sentences:
            sentence = words[start:end]
            inside = [span for span in spans if start <= span[0] and span[1] <= end]
            names = {word for first, last, _ in inside for word in range(first, last)}
            others = [word for i, word in enumerate(sentence, start) if i not in names]
            if inside and len(sentence) in _SENTENCE_WORDS and _is_prose(sentence, others):
                n_labels = len({label for *_, label in inside})
                no_end = sentence[-1].isalnum()
                apart = abs(len(sentence) - _BEST_LENGTH)
                found.append((-n_labels, no_end, apart, readable(sentence)))
    ordered = dict.fromkeys(text for *_, text in sorted(found))
    return list(ordered)[:_SENTENCES]


def _is_prose(sentence: Sequence[str], others: Sequence[str]) -> bool:
    """Whether most is words that are no names, numbers or signs, and it is no headline."""
    n_words = sum(word.isalpha() and not word.isupper() for word in others)
    n_shouted = sum(word.isupper() and len(word) > 4 for word in sentence)
    return n_words >= 0.5 * len(sentence) and n_shouted < 2


def _distinct(forms: Counter[str]) -> list[str]:
    kept: dict[str, str] = {}
    for form, _ in forms.most_common():
        kept.setdefault(form.casefold(), form)
        if len(kept) == _FORMS:
            break
    return list(kept.values())


def _training_text(recipe: Recipe, labels: Sequence[str]) -> Iterator[Document]:
    """Documents of the training text until there are examples enough; none where it is gone."""
    seen: dict[str, set[str]] = {label: set() for label in labels}
    n_words = 0
    try:
        for document in read_split("train", recipe.data.train, recipe.data):
            yield document
            n_words += document.n_words
            for entity in document.entities:
                seen.get(entity.label, set()).add(entity.text)
            enough = n_words >= _ENOUGH_WORDS and all(len(s) >= _FORMS for s in seen.values())
            if enough or n_words >= _MOST_WORDS:
                return
    except NertuneError:  # moved, changed, or a package is missing
        return


def _test_text(run: Path) -> Iterator[Document]:
    """The test text with its gold tags, from the predictions of a run."""
    path = run / PREDICTIONS
    n_words = 0
    if not path.is_file():
        return
    try:
        settings = ReadSettings(format="columns", tag_column=1)
        for document in read_split("test", [str(path)], settings):
            yield document
            n_words += document.n_words
            if n_words >= _ENOUGH_WORDS:
                return
    except NertuneError:  # no predictions of ours
        return
