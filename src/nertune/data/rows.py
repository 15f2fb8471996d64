"""Rows: one object, one document. `jsonl` and `json_array` differ only in how rows are found.

Text with entities:  {"text": ..., "entities": [{"start", "end", "label"}, ...], "id": ...}
Words with tags:     {"tokens": [...], "ner_tags": [...], "id": ...}, `tags` for `ner_tags` too

Tags are names, or ids where `label_names` names them. `tables` sends the rows of tables here that
are not as they should be.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data.source import HELP_ON_ERROR, Fault, Origin, check_tag, shown
from nertune.documents import Document, Entity, label_fault

_TEXT_KEYS = frozenset({"text", "entities", "id"})
_ENTITY_KEYS = frozenset({"start", "end", "label", "text", "score"})
# Where other tools keep their annotation: to read such a row as bare text would lose it.
_FOREIGN_KEYS = ("label", "labels", "spans", "annotations")


@dataclass
class _Row:
    """One object while it is read, with the faults found in it."""

    values: Mapping[str, Any]
    line: int
    source: Origin
    faults: list[Fault] = field(default_factory=list)

    def fault(self, reason: str, message: str) -> None:
        """A fault that `repair` mends."""
        self.faults.append(Fault(reason, f"{message}; {HELP_ON_ERROR}", self.line))

    def lost(self, reason: str, message: str) -> None:
        """A fault that makes the whole row useless."""
        self.faults.append(Fault(reason, message, self.line, mendable=False))


def tag_keys(settings: ReadSettings) -> tuple[str, ...]:
    """Where tags may stand: `tags` is as usual a name as ours, unless another is asked for."""
    return ("ner_tags", "tags") if settings.tags_key == "ner_tags" else (settings.tags_key,)


def language_key(keys: Container[str], settings: ReadSettings) -> str | None:
    """Where the language stands; None: nowhere. WikiANN has it in `langs`, once for each word."""
    names = ("lang", "langs") if settings.language_key == "lang" else (settings.language_key,)
    return next((name for name in names if name in keys), None)


def document_of_row(value: object, line: int, source: Origin) -> Document | None:
    """The document of one JSON value; None where a fault or its language takes it away.

    Raises DataError with its place where on_error is stop.
    """
    settings = source.settings
    if not isinstance(value, dict):
        row = _Row({}, line, source)
        row.lost(
            "not an object",
            f"{_kind(value)} where a document was expected: an object with text and entities, or "
            f"with {settings.tokens_key} and {settings.tags_key}",
        )
        source.settle(row.faults)
        return None
    row = _Row(value, line, source)
    if settings.languages and not _in_language(row):
        source.settle(row.faults)
        return None
    with_words = settings.tokens_key in value and "entities" not in value
    document = _from_words(row) if with_words else _from_text(row)
    if not source.settle(row.faults):
        return None
    return document


def _in_language(row: _Row) -> bool:
    """Whether a row is in one of the languages asked for; those in others are counted."""
    settings = row.source.settings
    key = language_key(row.values, settings)
    language = None if key is None else row.values[key]
    if isinstance(language, list):
        language = language[0] if language else None
    if key is None or not isinstance(language, str | None):
        row.lost(
            "no language",
            f"'{key or settings.language_key}' is {_kind(language)}; expected a string, because "
            f"languages is set; the keys are {_keys(row.values)}. Name the one of the language "
            "with language_key, or leave languages out",
        )
        return False
    if language not in settings.languages:
        row.source.report.other_languages[language or NO_LANGUAGE] += 1
        return False
    return True


def _from_text(row: _Row) -> Document | None:
    text = row.values.get("text")
    if not isinstance(text, str):
        row.lost(
            "no text",
            f"'text' is {_kind(text)}; expected a string (or a row with "
            f"{row.source.settings.tokens_key} and {row.source.settings.tags_key}); "
            f"the keys are {_keys(row.values)}",
        )
        return None
    if _has_surrogate(text):
        row.lost("lone surrogate", f"{_escaped(text)} holds a lone surrogate; {_SURROGATE}")
        return None
    if "entities" not in row.values and _is_foreign(row):
        return None
    _count_ignored(row, _TEXT_KEYS)
    items = row.values.get("entities")
    if items is None:
        items = []
    if not isinstance(items, list):
        row.lost("entities is no list", f"'entities' is {_kind(items)}; expected a list of objects")
        return None
    found = [entity for item in items if (entity := _entity(item, text, row)) is not None]
    entities = _side_by_side(found, row)
    spans = [(entity.start, entity.end, entity.label) for entity in entities]
    document = Document.from_text(text, spans, _id(row))
    return replace(document, entities=tuple(entities))


def _is_foreign(row: _Row) -> bool:
    for key in _FOREIGN_KEYS:
        if isinstance(row.values.get(key), list) and row.values[key]:
            row.lost(
                "annotation of another tool",
                f"no 'entities', but a list under '{key}', as other tools write it; expected "
                '"entities": [{"start": 0, "end": 4, "label": "LOC"}, ...] with end exclusive; '
                f"convert it, or take the key '{key}' away to read bare text",
            )
            return True
    return False


def _entity(item: object, text: str, row: _Row) -> Entity | None:
    """One entity, mended where that is possible; None where it must be dropped."""
    if not isinstance(item, dict):
        row.fault("entity is no object", f"an entity is {_kind(item)}; {_EXPECTED}")
        return None
    _count_ignored(row, _ENTITY_KEYS, item, "entities.")
    start, end, label = item.get("start"), item.get("end"), item.get("label")
    if type(start) is not int or type(end) is not int:
        key, value = ("start", start) if type(start) is not int else ("end", end)
        row.fault("offset is no integer", f"'{key}' of an entity is {_kind(value)}; {_EXPECTED}")
        return None
    if isinstance(label, str) and label and (fault := label_fault(label)):
        row.fault("faulty label", f"the label of the entity at {start} {fault}")
        return None
    if not isinstance(label, str) or not label:
        row.fault("no label", f"'label' of the entity at {start} is {_kind(label)}; {_EXPECTED}")
        return None
    if not 0 <= start < end <= len(text):
        row.fault(
            "entity outside the text",
            f"the entity {label} ({start}, {end}) does not fit a text of {len(text)} characters; "
            "expected 0 <= start < end <= length, counted in characters, end exclusive",
        )
        return None
    if not _agrees(item, text, (start, end), row):
        return None
    start, end = _trimmed(text, start, end, row)
    if start == end:
        return None
    return Entity(start, end, label, text[start:end], _score(item, row))


def _agrees(item: Mapping[str, Any], text: str, span: tuple[int, int], row: _Row) -> bool:
    """Whether the entity's own text, where given, is the one at its offsets."""
    given, (start, end) = item.get("text"), span
    if given is None or given == text[start:end]:
        return True
    hint = "expected text[start:end], end exclusive"
    if given == text[start : end + 1]:
        hint += f": end is exclusive, {end + 1} would fit"
    elif isinstance(given, str) and given and given in text:
        hint += f": it stands at {text.index(given)}"
    quoted = _escaped(given) if isinstance(given, str) else _kind(given)
    row.fault(
        "entity text differs",
        f"the entity at ({start}, {end}) is {shown(text[start:end])}, but its 'text' is {quoted}; "
        f"{hint}",
    )
    return False


def _trimmed(text: str, start: int, end: int, row: _Row) -> tuple[int, int]:
    """The offsets without white space at the edges; equal where nothing else is there."""
    stretch = text[start:end]
    if stretch == stretch.strip():
        return start, end
    row.fault(
        "white space at an entity's edge",
        f"the entity {shown(stretch)} at {start} begins or ends with white space; expected offsets "
        "that touch the name (end exclusive)",
    )
    start += len(stretch) - len(stretch.lstrip())
    return start, start + len(stretch.strip())


def _score(item: Mapping[str, Any], row: _Row) -> float | None:
    score = item.get("score")
    if score is None or (type(score) in (int, float) and math.isfinite(score)):
        return None if score is None else float(score)
    row.fault("score is no number", f"'score' of an entity is {_kind(score)}; expected a number")
    return None


def _side_by_side(found: Sequence[Entity], row: _Row) -> list[Entity]:
    """The entities in order; of two that overlap the later is dropped."""
    kept: list[Entity] = []
    for entity in sorted(found, key=lambda entity: (entity.start, entity.end)):
        if kept and entity.start < kept[-1].end:
            row.fault(
                "entities overlap",
                f"the entities {shown(kept[-1].text)} and {shown(entity.text)} overlap at "
                f"character {entity.start}; expected entities side by side",
            )
        else:
            kept.append(entity)
    return kept


def _from_words(row: _Row) -> Document | None:
    settings = row.source.settings
    name = settings.tokens_key
    keys = tag_keys(settings)
    wanted = () if settings.tag_column is None else keys
    key = next((key for key in wanted if row.values.get(key) is not None), None)
    tokens = row.values[name]
    tags = None if key is None else row.values[key]
    if not _is_list_of(str, tokens):
        row.lost(
            "tokens are no strings",
            f"'{name}' is {_list_kind(tokens)}; expected a list of strings",
        )
        return None
    if tags is not None and _is_list_of(int, tags) and settings.label_names:
        tags = _named(tags, row)
    if key is not None and not _is_list_of(str, tags):
        row.lost("tags are no strings", _about_tags(key, tags))
        return None
    if tags is not None and len(tags) != len(tokens):
        row.lost(
            "numbers of words and tags differ",
            f"{len(tags)} {key} for {len(tokens)} {name}; expected one tag a token",
        )
        return None
    if key is None and wanted and _is_foreign(row):
        return None
    _count_ignored(row, frozenset({name, "id", *((key or "",) if wanted else keys)}))
    words, kept = _checked_words(tokens, tags, row)
    return Document.from_words(words, kept, id=_id(row))


def _named(ids: Sequence[int], row: _Row) -> list[str]:
    """The tags with these ids; O for an id without a name, as `repair` mends it."""
    names = row.source.settings.label_names
    for i, tag_id in enumerate(ids):
        if not 0 <= tag_id < len(names):
            row.fault(
                "tag id without a name",
                f"tag {i} has the id {tag_id}, but there are {len(names)} names; expected an id "
                f"from 0 to {len(names) - 1}",
            )
    return [names[i] if 0 <= i < len(names) else schemes.OUTSIDE for i in ids]


def _checked_words(
    tokens: Sequence[str], tags: Sequence[str] | None, row: _Row
) -> tuple[list[str], list[str] | None]:
    """Words and tags as `repair` mends them: edges trimmed, empty words dropped, unknown tags O."""
    words: list[str] = []
    kept: list[str] = []
    for i, token in enumerate(tokens):
        bare = token.strip()
        rest = bare.removeprefix(row.source.settings.word_prefix)
        word = rest.lstrip()
        if not word:
            row.fault("empty word", f"token {i} is {token!r}; expected a word")
            continue
        if bare != token or word != rest:
            row.fault("white space at a word's edge", f"token {i} is {token!r}; expected {word!r}")
        if _has_surrogate(word):
            row.lost("lone surrogate", f"{_escaped(word)} holds a lone surrogate; {_SURROGATE}")
            continue
        words.append(word)
        if tags is not None:
            fault = check_tag(tags[i], row.line)
            row.faults += [fault] if fault else []
            kept.append(schemes.OUTSIDE if fault else tags[i])
    return words, kept if tags is not None else None


def _about_tags(key: str, tags: object) -> str:
    if _is_list_of(int, tags):
        return (
            f"'{key}' holds integers, the numbers of classes; expected the names of the tags as "
            f"strings; {NAMES_OF_IDS}"
        )
    return f"'{key}' is {_list_kind(tags)}; expected a list of strings, one tag a token"


def _id(row: _Row) -> str | None:
    value = row.values.get("id")
    if value is None or (isinstance(value, str) and not _has_surrogate(value)):
        return value
    if type(value) is int:
        return str(value)
    row.fault("faulty id", f"'id' is {_kind(value)}; expected a string or an integer")
    return None


def _count_ignored(
    row: _Row, known: frozenset[str], values: Mapping[str, Any] | None = None, prefix: str = ""
) -> None:
    place = row.source.place(row.line)
    if values is None and row.source.settings.languages:
        known |= {language_key(row.values, row.source.settings) or ""}
    for key in row.values if values is None else values:
        if key not in known:
            row.source.report.ignore(prefix + key, place)


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _list_kind(value: object) -> str:
    if not isinstance(value, list):
        return _kind(value)
    odd = next(item for item in value if type(item) is not str)
    return f"a list with {'null' if odd is None else _kind(odd)} in it"


def _kind(value: object) -> str:
    """What a JSON value is, in JSON's own words."""
    if value is None:
        return "missing or null"
    if isinstance(value, (bool, int, float)):
        return f"{type(value).__name__} {value}".replace("bool", "boolean").lower()
    names: dict[type, str] = {str: "a string", list: "a list", dict: "an object"}
    return "an empty string" if value == "" else names[type(value)]


def _keys(values: Mapping[str, Any]) -> str:
    return shown(", ".join(values)) if values else "none"


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _escaped(text: str) -> str:
    """Quoted in ASCII where the text could not be printed."""
    return ascii(text[:60]) if _has_surrogate(text) else shown(text)


_EXPECTED = 'expected an object as {"start": 0, "end": 4, "label": "LOC"}, end exclusive'
NAMES_OF_IDS = "give the names in id order, as label_names: [O, B-PER, I-PER]"
NO_LANGUAGE = "none"
_SURROGATE = "decode the source with its real encoding and write it anew"
