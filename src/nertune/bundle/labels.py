"""The names in `id2label` read as tags: as written, or as other tools write them.

`READINGS` is tried from the top; the first row that explains every name is taken. Names of O and
of special pieces are set aside before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nertune import schemes
from nertune.bundle.findings import Findings, Place
from nertune.errors import NertuneError


@dataclass(frozen=True)
class Reading:
    """One way of writing tags: what it is called, and a pattern of the whole name."""

    name: str
    pattern: re.Pattern[str]


def _reading(name: str, pattern: str) -> Reading:
    letters = "".join(sorted(schemes.PREFIXES))
    pattern = pattern.replace("CAPITAL", f"[{letters}]")
    return Reading(name, re.compile(pattern.replace("ANY", f"[{letters}{letters.lower()}]")))


READINGS = (
    _reading("", r"(?P<prefix>CAPITAL)-(?P<label>.+)"),
    _reading("prefixes in lower case", r"(?P<prefix>ANY)-(?P<label>.+)"),
    _reading("another separator than '-'", r"(?P<prefix>ANY)[_:./| ](?P<label>.+)"),
    _reading("prefixes at the end", r"(?P<label>.+)[-_:./| ](?P<prefix>ANY)"),
    _reading("no prefixes", r"(?P<label>.+)"),
)

_OUTSIDE = ("O", "0", "OUTSIDE", "OUT", "OTHER", "NONE", "NULL", "_", "-")
"""Names for O; of several the first. All but O itself count only where there is no O."""
_SPECIAL = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "PAD"}
_INNER_PIECE = "X"
_BROKEN = re.compile("[\n\r\ud800-\udfff]")
_NUMBERED = re.compile(r"(LABEL[_-]?)?\d+", re.IGNORECASE)
_NAME_THEM = (
    'write the names into id2label of config.json, in the order of training, as {"0": "O", '
    '"1": "B-PER", "2": "I-PER"}; the model\'s card or its training data tell them'
)


def raw_names(config: dict[str, Any], path: Path, found: Findings) -> tuple[str, ...] | None:
    """The names by id, from `id2label`; ids may be numbers or strings."""
    at = Place("labels", path)
    by_id = config.get("id2label")
    if not isinstance(by_id, dict) or not by_id:
        found.error(
            at,
            "has no id2label; is this an encoder that was never fine-tuned?",
            "train it with 'nertune train'",
        )
        return None
    try:
        names = {int(key): name for key, name in by_id.items()}
    except ValueError:
        names = {}
    missing = next((i for i in range(len(by_id)) if i not in names), None)
    if missing is not None:
        found.error(
            at,
            f"id2label lacks the id '{missing}'; expected the ids 0 to {len(by_id) - 1}",
            'name every output of the network, as {"0": "O", "1": "B-PER"}',
        )
        return None
    if not all(isinstance(name, str | int) for name in names.values()):
        found.error(at, "id2label holds something that is no name", _NAME_THEM)
        return None
    return tuple(str(names[i]) for i in range(len(names)))


def read_names(names: Sequence[str], where: str | Path, found: Findings) -> tuple[str, ...] | None:
    """The tags that names mean, in their order; None where they mean none, which is an error."""
    at = Place("labels", where)
    stripped = [name.strip() for name in names]
    if broken := [name for name in stripped if _BROKEN.search(name)]:
        found.error(
            at,
            f"the label {broken[0]!a} holds a line break or half a character (a lone surrogate), "
            "which no file of tags can",
            _NAME_THEM,
        )
        return None
    outside = _outside_name(stripped)
    aside = {name for name in stripped if name in _SPECIAL} | {outside}
    entities = [name for name in stripped if name not in aside]
    numbered = [name for name in entities if _NUMBERED.fullmatch(name)]
    if numbered:
        found.error(
            at,
            f"the labels of this model are numbered, not named ({_some(numbered)}): nobody wrote "
            "down what they mean",
            _NAME_THEM,
        )
        return None
    if _INNER_PIECE in entities and _prefixed(entities, _INNER_PIECE):
        aside.add(_INNER_PIECE)
        entities = [name for name in entities if name != _INNER_PIECE]
    reading = next(r for r in READINGS if all(r.pattern.fullmatch(n) for n in entities if n))
    strange = _strange(entities, reading)
    if strange:
        found.error(
            at,
            "the labels of this model cannot be read as tags of named entities: beside tags such "
            f"as {_some([n for n in entities if n not in strange])} there is {_some(strange)}",
            _NAME_THEM,
        )
        return None
    tags = tuple(_tag(name, reading) if name not in aside else "O" for name in stripped)
    _tell(at, names, tags, reading, found)
    return tags


def _outside_name(names: Sequence[str]) -> str | None:
    upper = {name.upper(): name for name in reversed(names)}
    if schemes.OUTSIDE in names:
        return schemes.OUTSIDE
    return next((upper[name] for name in _OUTSIDE if name in upper), None)


def _prefixed(names: Sequence[str], but: str) -> bool:
    others = [name for name in names if name != but]
    return any(all(r.pattern.fullmatch(n) for n in others) for r in READINGS[:-1])


def _strange(names: Sequence[str], reading: Reading) -> list[str]:
    """Names that do not fit the others: without a prefix among such with one, or empty."""
    if reading is not READINGS[-1]:
        return [name for name in names if not name]
    first = READINGS[0].pattern
    if not any(first.fullmatch(name) for name in names):
        return [name for name in names if not name]
    return [name for name in names if not first.fullmatch(name)]


def _tag(name: str, reading: Reading) -> str:
    parts = reading.pattern.fullmatch(name)
    assert parts is not None
    return f"{parts.groupdict().get('prefix', 'I').upper()}-{parts['label']}"


def _tell(
    at: Place, names: Sequence[str], tags: Sequence[str], reading: Reading, found: Findings
) -> None:
    changed = [(name, tag) for name, tag in zip(names, tags, strict=True) if name != tag]
    if reading.name and changed:
        name, tag = next(((n, t) for n, t in changed if t != schemes.OUTSIDE), changed[0])
        found.note(at, f"the labels have {reading.name}; '{name}' is read as {tag}, and so on")
    special = [name for name, tag in changed if tag == schemes.OUTSIDE]
    if special:
        found.note(at, f"read as O, that is, no entity: {_some(special)}")
    if schemes.OUTSIDE not in tags:
        found.warning(
            at,
            "no label means O, so every word becomes part of an entity",
            'if one of them means "no entity", name it O in id2label of config.json',
            serious=True,
        )


def scheme_of_tags(tags: Sequence[str]) -> str | None:
    """The scheme whose letters a model's tags use, or None where no scheme explains them.

    Under it every tag can occur: I-PER without B-PER means IOB1, not IOB2. Where only B and I occur
    and all have both, it could be IOB1 or IOB2; IOB2 is what models are trained on.
    """
    try:
        letters = {schemes.split_tag(tag)[0] for tag in tags} - {schemes.OUTSIDE}
    except NertuneError:
        return None
    every = schemes.SCHEMES.values()
    exact = [scheme for scheme in every if letters == set(scheme.letters)]
    wider = [scheme for scheme in every if letters and letters < set(scheme.letters)]
    fitting = (s.name for s in (*exact, *wider) if not unreachable(tags, s))
    return next(fitting, None)


def unreachable(tags: Sequence[str], scheme: schemes.Scheme | None) -> list[str]:
    """Tags that stand in no sequence which the scheme allows: what they mean is never found."""
    tables = schemes.transitions(tags, scheme)
    from_start, to_end = tables.start, tables.end
    for _ in tags:
        from_start = from_start | tables.allowed[from_start].any(axis=0)
        to_end = to_end | tables.allowed[:, to_end].any(axis=1)
    return [tags[i] for i in np.flatnonzero(~(from_start & to_end)).tolist()]


def _some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, in quotes, and that there are more."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown
