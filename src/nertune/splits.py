"""The splits of a run: files to documents and gold tags, and what reading them showed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data import ReadReport, read
from nertune.documents import Document
from nertune.errors import DataError
from nertune.scoring import Ints, entity_arrays
from nertune.splitting import split

CUT = "entities that begin or end inside a word (widened to whole words)"
LOST = "entities inside a word of the entity before (dropped)"
DIVIDED = "entities that cross a sentence end (divided there)"
SKIPPED = "a document with an entity that begins or ends inside a word"
CUT_PIECES = "pieces of words longer than a window (not seen; the words are)"
RETAGGED = "tags that break their scheme (read as conlleval reads them)"


@dataclass(frozen=True)
class FlatTags:
    """The tags of documents in a row: the names there are, and for each word the place of its own.

    ids: (n_words,). starts: (n_words,), True where a sentence begins.
    """

    names: list[str]
    ids: Ints
    starts: npt.NDArray[np.bool_]


@dataclass
class SplitFacts:
    """What reading a split showed: its scheme, labels and sizes, and what had to be changed."""

    name: str
    evidence: schemes.SchemeEvidence = field(default_factory=schemes.SchemeEvidence)
    labels: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    sentences: int = 0
    words: int = 0
    cut_pieces: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    report: ReadReport = field(default_factory=ReadReport)

    @property
    def scheme(self) -> schemes.Scheme:
        """The scheme the split's tags are written in; IOB2 where it has entities only."""
        return self.evidence.best()

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; `from_dict` reads it back."""
        return {
            "name": self.name,
            "pairs": [[*pair, count] for pair, count in self.evidence.pairs.items()],
            "labels": dict(self.labels),
            "documents": self.documents,
            "sentences": self.sentences,
            "words": self.words,
            "cut_pieces": self.cut_pieces,
            "changed": dict(self.changed),
            "report": self.report.to_dict(),
        }

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> SplitFacts:
        """The facts that `to_dict` wrote."""
        pairs = Counter({(a, b, same): count for a, b, same, count in facts["pairs"]})
        counters = ("skipped", "repaired", "ignored_keys", "other_languages")
        report: dict[str, Any] = {
            key: Counter(value) if key in counters else value
            for key, value in facts["report"].items()
        }
        return cls(
            facts["name"],
            schemes.SchemeEvidence(pairs),
            Counter(facts["labels"]),
            facts["documents"],
            facts["sentences"],
            facts["words"],
            facts["cut_pieces"],
            Counter(facts["changed"]),
            ReadReport(**report),
        )

    def count_tags(self, documents: Sequence[Document], flat: FlatTags) -> None:
        """Count labels, and pairs of neighbouring tags as evidence of the scheme.

        flat: the tags of the same documents; labels of documents without tags are their entities'.
        """
        self.labels.update(e.label for d in documents if d.tags is None for e in d.entities)
        if not flat.names:
            return
        _, _, label = entity_arrays(flat.ids, flat.names, flat.starts)
        counts = np.bincount(label).tolist()
        known = schemes.labels_of(flat.names)
        self.labels.update({known[i]: count for i, count in enumerate(counts) if count})
        self.evidence.add_pairs(flat.names, flat.ids, flat.starts)

    def count_broken(self) -> None:
        """Count the tags that break the scheme, once all of them are known."""
        if broken := self.evidence.violations(self.scheme):
            self.changed[RETAGGED] += broken

    def lines(self) -> list[str]:
        """What was skipped, repaired or changed, in sentences."""
        lines = [f"{self.name}: {line}" for line in self.report.lines()[1:]]
        lines += [f"{self.name}: {what}: {count}" for what, count in self.changed.items()]
        if self.cut_pieces:
            lines.append(f"{self.name}: {CUT_PIECES}: {self.cut_pieces}")
        return lines


def read_split(
    name: str, paths: Sequence[str], settings: ReadSettings, facts: SplitFacts | None = None
) -> Iterator[Document]:
    """The documents of all files of a split, divided into words; their sizes go into `facts`.

    Raises DataError for a file that cannot be read, and for entities that cut a word unless
    `settings.on_error` allows to widen (repair) or to leave out (skip) them.
    """
    facts = facts or SplitFacts(name)
    for path in paths:
        for place, raw in enumerate(read(path, settings, facts.report), start=1):
            document = split(raw)
            if not raw.split and document.cut_entities:
                kept = _handle_cut(document, (path, place), settings, facts)
                if not kept:
                    continue
            facts.documents += 1
            facts.sentences += len(document.sentences)
            facts.words += document.n_words
            yield document


def _handle_cut(
    document: Document, where: tuple[str, int], settings: ReadSettings, facts: SplitFacts
) -> bool:
    """Whether a document with entities that cut a word is kept."""
    path, place = where
    cut = document.cut_entities
    if settings.on_error == "stop":
        name = f"document {place}" + (f" (id {document.id})" if document.id else "")
        raise DataError(
            f"{name}: the entity {cut[0].text!r} at character {cut[0].start} begins or ends inside "
            "a word; expected whole words. Widen such entities with on_error=repair, or leave "
            "their documents out with on_error=skip",
            path,
        )
    if settings.on_error == "skip":
        facts.report.skip(SKIPPED, f"{path}, document {place}")
        return False
    facts.changed[CUT] += len(cut)
    return True


def gold_tags(document: Document, scheme: schemes.Scheme, facts: SplitFacts) -> list[str]:
    """The tags that predictions in `scheme` are compared with.

    Tags read from the file stay as they are where the file is written in that scheme; otherwise
    they are written anew from the entities.
    """
    if document.tags is not None and facts.scheme.name == scheme.name:
        return list(document.tags)
    return written_tags(document, scheme, facts)


def flat_tags(documents: Iterable[Document]) -> FlatTags:
    """The tags as read of all documents that have any."""
    tagged = [document for document in documents if document.tags is not None]
    names, ids = numbered(list(chain.from_iterable(document.tags or () for document in tagged)))
    lengths = [end - start for document in tagged for start, end in document.sentences]
    starts = np.zeros(len(ids), dtype=bool)
    starts[np.cumsum([0, *lengths])[:-1]] = True
    return FlatTags(names, ids, starts)


def numbered(tags: Sequence[str]) -> tuple[list[str], Ints]:
    """The names there are, and the place of each tag among them."""
    places = {tag: i for i, tag in enumerate(dict.fromkeys(tags))}
    return list(places), np.fromiter(map(places.__getitem__, tags), np.int64, len(tags))


def written_tags(document: Document, scheme: schemes.Scheme, facts: SplitFacts) -> list[str]:
    """One tag a word for the document's entities; those divided or lost are counted."""
    tags = document.tags_in(scheme)
    if document.tags is None:
        n_entities = sum(len(schemes.decode(tags[a:b])) for a, b in document.sentences)
        n_lost = len(document.lost_entities)
        if n_lost:
            facts.changed[LOST] += n_lost
        if n_entities > len(document.entities) - n_lost:
            facts.changed[DIVIDED] += n_entities + n_lost - len(document.entities)
    return tags


@dataclass(frozen=True)
class GoldSplit:
    """A split to be scored: its documents, the gold tag of every word, and how it was read."""

    name: str
    documents: list[Document]
    tags: list[str]
    facts: SplitFacts

    def digest(self) -> str:
        """A name for what the split holds."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(document.text.encode())
        digest.update("\n".join(self.tags).encode())
        return digest.hexdigest()[:20]


def load_gold(
    name: str, paths: Sequence[str], settings: ReadSettings, scheme: schemes.Scheme
) -> GoldSplit:
    """Read a split that will be predicted and scored.

    Raises DataError as `read_split` does, and where no document is left.
    """
    facts = SplitFacts(name)
    documents = list(read_split(name, paths, settings, facts))
    if not documents:
        raise DataError(
            f"{', '.join(paths)}: no document is left, {facts.report.skipped.total()} were "
            f"skipped; expected some to score. Read them with on_error=repair"
        )
    if not facts.words:
        raise DataError(f"{', '.join(paths)}: holds no word; expected annotated text to score")
    facts.count_tags(documents, flat_tags(documents))
    facts.count_broken()
    tags = [tag for document in documents for tag in gold_tags(document, scheme, facts)]
    return GoldSplit(name, documents, tags, facts)


def label_warnings(train: SplitFacts, others: Iterable[SplitFacts]) -> list[str]:
    """Labels that one split has and another lacks, with how often they occur."""
    lines = []
    for other in others:
        unseen = {label: n for label, n in other.labels.items() if label not in train.labels}
        if unseen:
            lines.append(
                f"{other.name} has labels that train lacks, which no model can find: "
                + ", ".join(f"{label} ({n} entities)" for label, n in sorted(unseen.items()))
            )
        absent = sorted(set(train.labels) - set(other.labels))
        if not other.labels:
            lines.append(f"{other.name} holds no entity: its F1 is 0 whatever is predicted")
        elif absent:
            lines.append(f"{other.name} lacks labels that train has: {', '.join(absent)}")
    return lines
