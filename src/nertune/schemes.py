"""Tag schemes as tables: decode, encode, repair, detect, convert, allowed transitions.

A tag is `O` or `prefix-label`. Every scheme is one row of `SCHEMES`; nothing else in the project
knows which letter means what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nertune.errors import TagError

Span = tuple[int, int, str]
"""An entity in words, half-open: (word_start, word_end, label)."""

OUTSIDE = "O"
_EDGE = ("", "")
_Table = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scheme:
    """One tag scheme.

    `spelling` holds four letters: of an entity of a single word, and of the first, the inner and
    the last word of a longer one. `first_after_same` and `last_before_same` are used instead where
    the neighbouring word ends (begins) an entity of the same label: the only place where IOB1
    writes B- and IOE1 writes E-. `start` and `end` are the letters that may stand next to O,
    another label or the sentence's edge; `same` lists the pairs that may follow each other within
    one label.
    """

    name: str
    spelling: str
    start: str
    end: str
    same: str
    first_after_same: str = ""
    last_before_same: str = ""

    @property
    def letters(self) -> str:
        """The prefixes of the scheme, each once."""
        return "".join(dict.fromkeys(self.spelling + self.same.replace(" ", "")))


# The order is the order of preference where a text fits several schemes equally well.
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("IOB2", "BBII", "B", "BI", "BB BI IB II"),
        Scheme("IO", "IIII", "I", "I", "II"),
        Scheme("IOB1", "IIII", "I", "BI", "II IB BI BB", first_after_same="B"),
        Scheme("IOE2", "EIIE", "IE", "E", "II IE EI EE"),
        Scheme("IOE1", "IIII", "IE", "I", "II IE EI EE", last_before_same="E"),
        Scheme("IOBES", "SBIE", "BS", "ES", "BI BE II IE EB ES SB SS"),
        Scheme("BILOU", "UBIL", "BU", "LU", "BI BL II IL LB LU UB UU"),
        Scheme("BMES", "SBME", "BS", "ES", "BM BE MM ME EB ES SB SS"),
    )
}
PREFIXES = frozenset("".join(scheme.letters for scheme in SCHEMES.values()))

# BILOU and BMES spell the letters of IOBES differently; decoding knows only B, I, E and S.
CANONICAL = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I"}


def scheme_named(name: str) -> Scheme:
    """The scheme of that name, in any case; TagError names the eight that exist."""
    try:
        return SCHEMES[name.upper()]
    except KeyError:
        raise TagError(
            f"unknown tag scheme '{name}'; expected one of {', '.join(SCHEMES)}"
        ) from None


@lru_cache(maxsize=65536)
def split_tag(tag: str) -> tuple[str, str]:
    """`B-PER` to `("B", "PER")`, `O` to `("O", "")`.

    Raises TagError for a prefix that no scheme has, and for a prefix without a label.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, dash, label = tag.partition("-")
    if prefix in PREFIXES and dash and label:
        return prefix, label
    what = "a prefix without a label" if prefix in PREFIXES else "an unknown prefix"
    raise TagError(
        f"the tag '{tag}' has {what}; expected O or one of "
        f"{', '.join(f'{p}-' for p in sorted(PREFIXES))} before a label. Is this the tag column?"
    )


def is_tag(tag: str) -> bool:
    """Whether `tag` can be read by `split_tag`."""
    try:
        split_tag(tag)
    except TagError:
        return False
    return True


def begins_entity(prefix: str, label: str, last_prefix: str, last_label: str) -> bool:
    """Whether a tag (not O) opens a new entity after the tag before it.

    The rule of conlleval (Tjong Kim Sang, CoNLL-2000), with S as in seqeval 1.2.2: an entity begins
    after O, where the label changes, on B and S, and after E and S.
    """
    return (
        label != last_label
        or CANONICAL[prefix] in "BS"
        or last_prefix == OUTSIDE
        or CANONICAL[last_prefix] in "ES"
    )


def decode(tags: Sequence[str]) -> list[Span]:
    """The entities of one sentence, as conlleval reads any sequence, valid or not.

    Needs no scheme: the rules of all eight agree once L, U and M are read as E, S and I.
    """
    spans: list[Span] = []
    if tags.count(OUTSIDE) == len(tags):
        return spans
    start = -1
    last_prefix, last_label = OUTSIDE, ""
    for i, tag in enumerate(tags):
        if tag == OUTSIDE:
            if start >= 0:
                spans.append((start, i, last_label))
                start = -1
            last_prefix, last_label = OUTSIDE, ""
            continue
        prefix, label = split_tag(tag)
        if begins_entity(prefix, label, last_prefix, last_label):
            if start >= 0:
                spans.append((start, i, last_label))
            start = i
        last_prefix, last_label = prefix, label
    if start >= 0:
        spans.append((start, len(tags), last_label))
    return spans


def encode(spans: Iterable[Span], n_words: int, scheme: Scheme) -> list[str]:
    """Tags of one sentence for entities that do not overlap.

    Raises TagError where two entities share a word or one leaves the sentence.
    """
    tags = [OUTSIDE] * n_words
    ordered = sorted(spans)
    for i, (start, end, label) in enumerate(ordered):
        if not 0 <= start < end <= n_words:
            raise TagError(f"entity ({start}, {end}, {label}) leaves a sentence of {n_words} words")
        if i and ordered[i - 1][1] > start:
            raise TagError(f"entities {ordered[i - 1]} and {ordered[i]} share a word")
        single, first, inside, last = tuple(scheme.spelling)
        letters = [single] if end - start == 1 else [first, *[inside] * (end - start - 2), last]
        touches_last = bool(i) and ordered[i - 1][1:] == (start, label)
        touches_next = i + 1 < len(ordered) and ordered[i + 1][::2] == (end, label)
        if touches_last and scheme.first_after_same:
            letters[0] = scheme.first_after_same
        if touches_next and scheme.last_before_same:
            letters[-1] = scheme.last_before_same
        tags[start:end] = [f"{letter}-{label}" for letter in letters]
    return tags


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """The tags of one sentence in another scheme, by way of the entities.

    IO cannot keep apart two neighbours of one label: they become one entity.
    """
    return encode(decode(tags), len(tags), scheme)


def repair(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], int]:
    """Valid tags of `scheme` with the entities conlleval reads, and how many tags were changed."""
    repaired = convert(tags, scheme)
    return repaired, sum(old != new for old, new in zip(tags, repaired, strict=True))


def pair_allowed(scheme: Scheme, before: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether one split tag may follow another; `("", "")` is the sentence's edge."""
    before_out, after_out = before[0] in ("", OUTSIDE), after[0] in ("", OUTSIDE)
    if not before_out and not after_out and before[1] == after[1]:
        return before[0] + after[0] in scheme.same.split()
    return (before_out or before[0] in scheme.end) and (after_out or after[0] in scheme.start)


@dataclass(frozen=True)
class Transitions:
    """Which tag may follow which, as boolean tables over a list of tags.

    allowed, continues: (n_tags, n_tags), [before, after]; start, end: (n_tags,). `continues` holds
    where both tags belong to one entity.
    """

    allowed: npt.NDArray[np.bool_]
    continues: npt.NDArray[np.bool_]
    start: npt.NDArray[np.bool_]
    end: npt.NDArray[np.bool_]

    def broken(
        self, ids: npt.NDArray[np.int64], starts: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """(n_words,): where the step to a word, or from a sentence's last word out, is forbidden.

        ids: (n_words,), places among the tags. starts: (n_words,), True where a sentence begins.
        """
        fine = np.where(starts, self.start[ids], self.allowed[np.roll(ids, 1), ids])
        fine &= ~np.roll(starts, -1) | self.end[ids]
        return ~fine


def transitions(tags: Sequence[str], scheme: Scheme | None) -> Transitions:
    """The tables for `tags`; without a scheme everything is allowed.

    Raises TagError for a tag whose prefix the scheme does not have.
    """
    split = [split_tag(tag) for tag in tags]
    for prefix, label in split:
        if scheme and prefix != OUTSIDE and prefix not in scheme.letters:
            raise TagError(f"the tag '{prefix}-{label}' is none of the scheme {scheme.name}")

    # The rules know prefixes and whether two labels are the same; so do these small tables.
    prefixes = sorted({prefix for prefix, _ in split})
    place = np.array([prefixes.index(prefix) for prefix, _ in split])
    names = {name: i for i, (_, name) in enumerate(split)}
    labels = np.array([names[name] for _, name in split])

    def table(rule: Callable[[tuple[str, str], tuple[str, str]], bool]) -> _Table:
        def by_prefix(other: str) -> _Table:
            rows = [
                [rule((a, "X" if a != OUTSIDE else ""), (b, other if b != OUTSIDE else ""))
                 for b in prefixes]
                for a in prefixes
            ]  # fmt: skip
            whole: _Table = np.array(rows, dtype=np.bool_)[place][:, place]
            return whole

        return np.where(labels[:, None] == labels, by_prefix("X"), by_prefix("Y"))

    def may(before: tuple[str, str], after: tuple[str, str]) -> bool:
        return scheme is None or pair_allowed(scheme, before, after)

    def one_entity(before: tuple[str, str], after: tuple[str, str]) -> bool:
        return OUTSIDE not in (before[0], after[0]) and not begins_entity(*after, *before)

    return Transitions(
        table(may),
        table(one_entity),
        np.array([may(_EDGE, b) for b in split], dtype=np.bool_),
        np.array([may(a, _EDGE) for a in split], dtype=np.bool_),
    )


@dataclass
class SchemeEvidence:
    """Counts from which the scheme of a text is found: pairs of neighbouring prefixes."""

    pairs: Counter[tuple[str, str, bool]] = field(default_factory=Counter)

    def add(self, tags: Sequence[str]) -> None:
        """Count one sentence."""
        split = [_EDGE, *map(split_tag, tags), _EDGE]
        self.pairs.update(
            (before[0], after[0], before[1] == after[1])
            for before, after in pairwise(split)
        )

    def add_pairs(
        self, tags: Sequence[str], ids: npt.NDArray[np.int64], starts: npt.NDArray[np.bool_]
    ) -> None:
        """Count many sentences at once.

        ids: (n_words,), places in `tags`. starts: (n_words,), True where a sentence begins.
        """
        split = [*map(split_tag, tags), _EDGE]
        edge = len(tags)
        before = np.where(starts, edge, np.roll(ids, 1))
        after = np.append(ids, np.full(int(starts.sum()), edge))
        before = np.append(before, ids[np.roll(starts, -1)])
        pairs, counts = np.unique(before * (edge + 1) + after, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            first, second = split[pair // (edge + 1)], split[pair % (edge + 1)]
            self.pairs[first[0], second[0], first[1] == second[1]] += count

    def violations(self, scheme: Scheme) -> int:
        """How many pairs of neighbours `scheme` forbids, or letters it does not have."""
        return sum(self._violations_by_pair(scheme))

    def _violations_by_pair(self, scheme: Scheme) -> Iterator[int]:
        for (before, after, same), count in self.pairs.items():
            after_label = "X" if after not in ("", OUTSIDE) else ""
            before_label = "" if before in ("", OUTSIDE) else after_label if same else "Y"
            known = after in ("", OUTSIDE) or after in scheme.letters
            if not known or not pair_allowed(scheme, (before, before_label), (after, after_label)):
                yield count

    def best(self) -> Scheme:
        """The scheme with the fewest violations; the first of SCHEMES where several tie."""
        return min(SCHEMES.values(), key=self.violations)


def detect(sentences: Iterable[Sequence[str]]) -> tuple[Scheme, int]:
    """The scheme that tagged sentences are written in, and how many of their tag pairs break it."""
    evidence = SchemeEvidence()
    for tags in sentences:
        evidence.add(tags)
    best = evidence.best()
    return best, evidence.violations(best)


def tag_set(labels: Iterable[str], scheme: Scheme) -> list[str]:
    """O and every tag of `scheme` for the labels in the order given."""
    return [OUTSIDE, *(f"{letter}-{label}" for label in labels for letter in scheme.letters)]


def continued(tag: str, scheme: Scheme) -> str:
    """The tag of a word's further pieces: that of a word inside the entity (B- becomes I-)."""
    prefix, label = split_tag(tag)
    return tag if prefix == OUTSIDE else f"{scheme.spelling[2]}-{label}"


def labels_of(tags: Iterable[str]) -> list[str]:
    """The labels of a set of tags, sorted, O left out."""
    return sorted({label for _, label in map(split_tag, tags)} - {""})
