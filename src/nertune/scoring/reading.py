"""Tag ids to entities, by conlleval's rules or strictly by those of a scheme.

Everything here is done for all words at once: a corpus is one row of tag ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import product
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.errors import DataError, TagError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Entities = tuple[Ints, Ints, Ints]
"""First word, last word and label of every entity, in order: three arrays (n_entities,)."""

Mode = Literal["conlleval", "strict"]
MODES: tuple[str, ...] = get_args(Mode)

# Strict reading, by scheme: which steps from one tag to the next begin an entity, go on with it,
# and end it well. A step is the letter before, the letter after, and = or ! for the same label or
# another; ? stands for any. O is the sentence's edge too. The rules are those of seqeval 1.2.2
# (scheme.py), which has no IO; BILOU and BMES are IOBES in other letters.
_IOBES = ("?B? ?S?", "BI= BE= II= IE=", "S?? E??")
_STRICT_STEPS = {
    "IOB1": ("OI? II! BI? IB= BB=", "BI= II=", "II! IO? IB? BO? BI! BB="),
    "IOB2": ("?B?", "BI= II=", "IO? II! IB? BO? BI! BB?"),
    "IOE1": ("OI? II! EI? EE=", "II= IE=", "II! IO? IE! EI= EE="),
    "IOE2": ("OI? OE? EI? EE? II! IE!", "II= IE=", "E??"),
    "IOBES": _IOBES,
    "BILOU": _IOBES,
    "BMES": _IOBES,
    "IO": ("OI? II!", "II=", "IO? II!"),
}
_LETTERS = "OBIES"


@dataclass(frozen=True)
class Reading:
    """How tag ids are read as entities.

    tags: the names, of which ids are places. starts: (n_words,), True at the first word of each
    sentence. mode: `conlleval` reads any sequence; `strict` drops what is not well formed in
    `scheme`, as seqeval's strict mode does, and needs it. In conlleval mode the scheme changes
    nothing. Raises DataError for another mode, or a strict one without a scheme.
    """

    tags: Sequence[str]
    starts: Bools
    mode: Mode = "conlleval"
    scheme: schemes.Scheme | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise DataError(f"unknown mode {self.mode!r}; expected one of {', '.join(MODES)}")
        if self.mode == "strict" and self.scheme is None:
            raise DataError(
                "strict mode needs the scheme that the tags are written in; expected one of "
                f"{', '.join(schemes.SCHEMES)}. schemes.detect finds it from the gold tags"
            )

    @property
    def labels(self) -> list[str]:
        """The labels of the tags, sorted: what an entity's label is a place in."""
        return schemes.labels_of(self.tags)

    def entities(self, ids: Ints) -> Entities:
        """The entities of tag ids (n_words,); TagError for a tag that is none of the scheme."""
        if self.mode == "strict" and self.scheme is not None:
            return strict_entity_arrays(ids, self.tags, self.starts, self.scheme)
        return entity_arrays(ids, self.tags, self.starts)


def entity_arrays(ids: Ints, tags: Sequence[str], starts: Bools) -> Entities:
    """The entities that conlleval reads.

    ids: (n_words,), places in `tags`. starts: (n_words,), True at the first word of each sentence.
    Labels are places in `schemes.labels_of(tags)`. The rule of `schemes.begins_entity`, for all
    words at once; BILOU and BMES are read as IOBES.
    """
    inside = _inside(ids, tags, starts)
    opens, closes = (
        np.array([letter in which for letter in _LETTERS])[inside.letters] for which in ("BS", "ES")
    )
    begins = ~inside.same | opens | np.roll(closes, 1)
    # An entity lasts until the next one begins.
    ends = np.roll(begins, -1)
    return inside.words[begins], inside.words[ends], inside.labels[begins]


def strict_entity_arrays(
    ids: Ints, tags: Sequence[str], starts: Bools, scheme: schemes.Scheme
) -> Entities:
    """The entities that are well formed in `scheme`: those of seqeval 1.2.2's strict mode.

    Arguments as in `entity_arrays`. Raises TagError for a tag whose letter the scheme lacks.
    """
    _check_letters(ids, tags, scheme)
    may_begin, may_go_on, ends_well = _strict_tables(scheme.name)
    inside = _inside(ids, tags, starts)
    before = np.where(inside.follows, np.roll(inside.letters, 1), 0)
    step = before, inside.letters, inside.same.astype(np.int8)
    begins, goes_on = may_begin[step], may_go_on[step]
    # A step that may only go on leaves a word as its neighbour is, in an entity or not; every other
    # settles it. So each word is as the last settled one before it.
    settled = np.flatnonzero(begins | ~goes_on)
    taken = np.repeat(begins[settled], np.diff(np.append(settled, len(begins))))
    goes_on &= np.roll(taken, 1)
    first = np.flatnonzero(taken & ~goes_on)
    last = np.flatnonzero(taken & ~np.roll(goes_on, -1))
    # The step out of a word leads into the next, or to O where none follows.
    out = np.where(
        np.roll(inside.follows, -1),
        np.roll(ends_well[step], -1),
        ends_well[inside.letters, 0, 0],
    )
    kept = out[last]
    first, last = first[kept], last[kept]
    return inside.words[first], inside.words[last], inside.labels[first]


@dataclass(frozen=True)
class _Inside:
    """The words whose tag is not O: their places, letters (in _LETTERS) and labels, all (n,).

    follows: the word before, in the same sentence, is one of them; same: and has the same label.
    """

    words: Ints
    letters: npt.NDArray[np.int8]
    labels: Ints
    follows: Bools
    same: Bools


def _inside(ids: Ints, tags: Sequence[str], starts: Bools) -> _Inside:
    split = [schemes.split_tag(tag) for tag in tags]
    places = {label: i for i, label in enumerate(schemes.labels_of(tags))}
    letter_of = [_LETTERS.index(schemes.CANONICAL.get(prefix, "O")) for prefix, _ in split]
    label_of = [places.get(label, -1) for _, label in split]
    words = np.flatnonzero((np.array(letter_of, dtype=np.int8) > 0)[ids])
    ids = ids[words]
    labels = np.array(label_of, dtype=np.int64)[ids]
    follows = ~starts[words]
    follows[:1] = False
    follows[1:] &= np.diff(words) == 1
    same = follows & (labels == np.roll(labels, 1))
    return _Inside(words, np.array(letter_of, dtype=np.int8)[ids], labels, follows, same)


@lru_cache
def _strict_tables(scheme: str) -> tuple[Bools, Bools, Bools]:
    """Which steps begin, go on with and end an entity: (5, 5, 2), [before, after, same label]."""

    def table(patterns: str) -> Bools:
        steps = map("".join, product(_LETTERS, _LETTERS, "!="))
        fits = [any(fnmatchcase(step, p) for p in patterns.split()) for step in steps]
        return np.array(fits, dtype=np.bool_).reshape(len(_LETTERS), len(_LETTERS), 2)

    begins, goes_on, ends = map(table, _STRICT_STEPS[scheme])
    return begins, goes_on, ends


def _check_letters(ids: Ints, tags: Sequence[str], scheme: schemes.Scheme) -> None:
    for place in np.flatnonzero(np.bincount(ids, minlength=len(tags))).tolist():
        prefix, _ = schemes.split_tag(tags[place])
        if prefix != schemes.OUTSIDE and prefix not in scheme.letters:
            raise TagError(
                f"the tag '{tags[place]}' is none of the scheme {scheme.name}, which has "
                f"{', '.join(f'{letter}-' for letter in scheme.letters)} and O; strict mode needs "
                "gold and predicted tags in the scheme it is given"
            )
