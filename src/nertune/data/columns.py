"""Column files: one word a line with its tag in another column, a blank line between sentences.

A line that begins with -DOCSTART-, #DOCSTART, # DOCSTART or # newdoc begins a new document. A file
without such marks has one document a sentence. In a stream that cannot be looked through beforehand
(standard input) each sentence is its own document until the first mark comes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import chain
from typing import NoReturn

from nertune import schemes
from nertune.data.source import HELP_ON_ERROR, Fault, Source, check_tag, not_utf8, shown
from nertune.documents import Document
from nertune.errors import DataError

_MARK = r"(?:\d+[ \t]+)?-DOCSTART-?(?=\s|$)|#[ \t]?DOCSTART\b|#[ \t]newdoc\b"
_MARK_LINE = re.compile(_MARK)
_ANY_MARK = re.compile(rf"^(?:\xef\xbb\xbf)?(?:{_MARK})".encode(), re.MULTILINE)
_METADATA = re.compile(r"#\s+(?:[\w.:-]+\s+=(?:\s|$)|newpar\b|sent_id\b|id\s+\S+\s+domain=)")
_ODD_SPACE = re.compile(r"[^\S \t\n]")
_BLANKS = re.compile(r"[ \t]+")
_CONVERT = "if it is UTF-16, convert it: iconv -f utf16 -t utf8"
_SCAN_BYTES = 1 << 17
_OVERLAP = 64

Sentence = tuple[Sequence[str], Sequence[str] | None]
"""Words and tags; no tags where the file has none."""
_Block = tuple[int, list[bytes]]
"""Lines between blank ones, with the number of the first (from 1)."""


def read_columns(source: Source) -> Iterator[Document]:
    """The documents of a column file, in order.

    Raises DataError (TagError for a tag) with the place of the first fault where on_error is stop,
    and in any case where the columns asked for do not exist.
    """
    marked = source.marked
    draft = _Draft()
    for sentence in ColumnReader(source).sentences():
        if sentence is not None:
            draft.add(*sentence)
            if marked:
                continue
        marked = marked or sentence is None
        if draft.words:
            yield draft.document()
            draft = _Draft()
    if draft.words:
        yield draft.document()


def has_marks(stream: BufferedReader) -> bool:
    """Whether a document mark stands anywhere in a file; reads it up to the first one."""
    tail = b"\n"
    while block := stream.read(_SCAN_BYTES):
        seen = tail + block
        if (b"DOCSTART" in seen or b"newdoc" in seen) and _ANY_MARK.search(seen, 1):
            return True
        tail = seen[-_OVERLAP:]
    return False


def is_mark(line: str) -> bool:
    """Whether a line begins a new document."""
    return _MARK_LINE.match(line) is not None


def is_unreadable(row: str) -> bool:
    """Whether a row of words and tags would be read back as something else."""
    odd = row.startswith("\ufeff") or "\0" in row
    return odd or is_mark(row) or _METADATA.match(row) is not None


def looks_like_columns(head: str, separator: str | None) -> bool:
    """Whether the lines of `head` have one number of columns, at least two."""
    lines = [line for line in head.split("\n") if line.strip() and not line.startswith("#")]
    counts = {len(_cells(line, separator)) for line in lines if not is_mark(line)}
    return len(counts) == 1 and min(counts) > 1


def _has_hash(line: str) -> bool:
    return line.startswith("#")


def _is_hash(line: str) -> bool:
    """Whether a line begins with a hash by itself, and so may be a comment."""
    return line.startswith(("# ", "#\t")) or line.strip() == "#"


class _Draft:
    """A document while its sentences come in."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.tags: list[str] = []
        self.tagged = False
        self.ranges: list[tuple[int, int]] = []

    def add(self, words: Sequence[str], tags: Sequence[str] | None) -> None:
        start = len(self.words)
        self.words += words
        self.ranges.append((start, len(self.words)))
        if tags is not None:
            self.tagged = True
            self.tags += tags

    def document(self) -> Document:
        return Document.from_words(self.words, self.tags if self.tagged else None, self.ranges)


class ColumnReader:
    """The sentences of a column file.

    n_columns is found in the first sentence (the most frequent count there), and kept with the line
    it was seen in; `example` holds that line's cells.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._separator = source.settings.separator
        self._prefix = source.settings.word_prefix
        self._known = {schemes.OUTSIDE}
        self._word = source.settings.word_column
        self._tag = source.settings.tag_column
        self.n_columns = 0
        self.sample_line = 0
        self.example: list[str] = []

    def sentences(self) -> Iterator[Sentence | None]:
        """Each sentence, and None for each document mark."""
        blocks = _blocks(self._source.stream)
        for first, block in chain(self._until_columns_known(blocks), blocks):
            raw = b"".join(block)
            special = raw.startswith(b"#") or b"\n#" in raw or b"-DOCSTART" in raw
            plain = None if special else self._plain(raw)
            if plain is None:
                yield from self._careful(first, block)
            else:
                yield plain

    def _until_columns_known(self, blocks: Iterator[_Block]) -> list[_Block]:
        """The blocks up to the first with data in it; those before hold comments or marks."""
        seen: list[_Block] = []
        for first, block in blocks:
            seen.append((first, block))
            self._find_columns(first, block)
            if self.n_columns:
                break
        for first, block in seen if not self.n_columns else ():
            self._find_columns(first, block, _is_hash)
            if self.n_columns:
                break
        return seen

    def _plain(self, raw: bytes) -> Sentence | None:
        """A sentence without peculiarities, in one go; None: look at each line."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if _ODD_SPACE.search(text) or "\ufeff" in text or "\0" in text:
            return None
        separator = self._separator
        rows = [line.split(separator) for line in text.removesuffix("\n").split("\n")]
        if set(map(len, rows)) != {self.n_columns}:
            return None
        words = [row[self._word] for row in rows]
        tags = None if self._tag is None else [row[self._tag] for row in rows]
        if separator is not None:
            words = [word.strip() for word in words]
            tags = tags and [tag.strip() for tag in tags]
        if self._prefix:
            words = [word.removeprefix(self._prefix) for word in words]
        if not all(words) or not self._all_known(tags):
            return None
        return words, tags

    def _all_known(self, tags: Sequence[str] | None) -> bool:
        if tags is None or self._known.issuperset(tags):
            return True
        new = set(tags) - self._known
        if any(check_tag(tag, 0) for tag in new):
            return False
        self._known |= new
        return True

    def _careful(self, first: int, block: Sequence[bytes]) -> Iterator[Sentence | None]:
        """The sentences (and marks) of a block without blank lines, line by line."""
        rows: list[tuple[int, str]] = []
        faults: list[Fault] = []
        for number, raw in enumerate(block, first):
            line, fault = _decoded(raw, number)
            mark, joined = is_mark(line), fault is not None and fault.mendable
            if mark or joined:
                yield from self._sentence(rows, faults)
                rows, faults = [], []
            begins = not rows and not faults
            if fault:
                faults.append(fault)
            if mark:
                yield None
            elif not line:
                continue
            elif begins and self._is_comment(line):
                self._source.report.comments += 1
            else:
                rows.append((number, line))
        yield from self._sentence(rows, faults)

    def _sentence(self, rows: Iterable[tuple[int, str]], faults: list[Fault]) -> Iterator[Sentence]:
        """The sentence of these lines, unless a fault takes it away or nothing is left."""
        words: list[str] = []
        tags: list[str] = []
        found = list(faults)
        for number, line in rows:
            word, tag, faults_here = self._row(number, line)
            found += faults_here
            if word:
                words.append(word)
                tags.append(tag)
        found.sort(key=lambda fault: fault.line)
        if self._source.settle(found) and words:
            yield words, None if self._tag is None else tags

    def _row(self, number: int, line: str) -> tuple[str, str, list[Fault]]:
        """Word, tag and faults of a line, mended as `repair` asks; no word: the line is dropped."""
        cells = _cells(line, self._separator)
        n_cells = len(cells)
        faults: list[Fault] = []
        if n_cells != self.n_columns:
            faults.append(self._wrong_count(n_cells, number, line))
        word = _cell(cells, self._word, self.n_columns).removeprefix(self._prefix)
        tag = schemes.OUTSIDE if self._tag is None else _cell(cells, self._tag, self.n_columns)
        if not tag and faults:
            tag = schemes.OUTSIDE
        tag_fault = check_tag(tag, number)
        if tag_fault and word:
            faults.append(tag_fault)
            tag = schemes.OUTSIDE
        if not word and not faults:
            faults.append(self._no_word(number, line))
        return word, tag, faults

    def _wrong_count(self, n_cells: int, number: int, line: str) -> Fault:
        few = n_cells < self.n_columns
        return Fault(
            f"too {'few' if few else 'many'} columns",
            f"{n_cells} column{'s' * (n_cells != 1)} in {shown(line)}; expected {self.n_columns} "
            f"as in line {self.sample_line}; {HELP_ON_ERROR}",
            number,
        )

    def _no_word(self, number: int, line: str) -> Fault:
        after = f" after the prefix '{self._prefix}'" if self._prefix else ""
        return Fault(
            "empty word",
            f"no word in {shown(line)}; expected one in column {self._word}{after}; "
            f"{HELP_ON_ERROR}",
            number,
        )

    def _is_comment(self, line: str) -> bool:
        """Whether a line at the beginning of a sentence says something about it.

        The word `#` is no comment: its row has as many columns as the others. Nor is `#tag`, which
        has no space after the hash.
        """
        if _METADATA.match(line):
            return True
        cells = _cells(line, self._separator)
        return _is_hash(line) and len(cells) != self.n_columns

    def _find_columns(
        self, first: int, block: Sequence[bytes], is_other: Callable[[str], bool] = _has_hash
    ) -> None:
        """How many columns the file has, from its first sentence; checks the columns asked for.

        is_other: which lines say nothing about that.
        """
        rows = []
        for number, raw in enumerate(block, first):
            line, fault = _decoded(raw, number)
            if fault and self._source.settings.on_error == "stop":
                self._source.settle([fault])
            elif line and not is_other(line) and not is_mark(line):
                rows.append((number, _cells(line, self._separator)))
        if not rows:
            return
        counts = Counter(len(cells) for _, cells in rows)
        self.n_columns = counts.most_common(1)[0][0]
        self.sample_line, self.example = next(
            row for row in rows if len(row[1]) == self.n_columns
        )
        self._check_settings()
        self._source.report.columns = tuple(self.example)

    def _check_settings(self) -> None:
        """Raise DataError, whatever on_error is, where the columns asked for do not exist."""
        n_columns = self.n_columns
        if n_columns == 1 and self._tag == -1:
            self._refuse(
                "one column only; expected a word and its tag. If the file has no tags, set "
                "tag_column: null (--set data.tag_column=null); if its columns are divided by "
                "something other than white space, name it with separator"
            )
        for key, column in (("word_column", self._word), ("tag_column", self._tag)):
            if column is not None and not -n_columns <= column < n_columns:
                self._refuse(
                    f"{key} is {column}, but this line has {n_columns} "
                    f"column{'s' * (n_columns != 1)}; set {key} to a number from 0 to "
                    f"{n_columns - 1}, or name what divides the columns with separator"
                )
        if self._tag is not None and self._word % n_columns == self._tag % n_columns:
            self._refuse(
                f"word_column and tag_column both mean column {self._word % n_columns} of "
                f"{n_columns}; set one of them to another column (counted from 0)"
            )

    def _refuse(self, message: str) -> NoReturn:
        raise DataError(message, self._source.name, self.sample_line)


def _blocks(lines: Iterable[bytes]) -> Iterator[_Block]:
    block: list[bytes] = []
    number = 0
    for number, raw in enumerate(lines, 1):
        if not raw.isspace():
            block.append(raw)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block


def _decoded(raw: bytes, number: int) -> tuple[str, Fault | None]:
    """A line and its fault; empty where nothing of it can be used."""
    try:
        line = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        return "", not_utf8(raw, error.start, number)
    if "\r" in line:
        message = (
            "a carriage return inside the line; expected lines that end in a newline (with or "
            "without one before it); convert the file, e.g. with dos2unix -c mac"
        )
        return "", Fault("carriage return inside a line", message, number, mendable=False)
    if "\0" in line:
        message = f"a NUL character in {shown(line)}; expected text in UTF-8; {_CONVERT}"
        return "", Fault("NUL character", message, number, mendable=False)
    if line.startswith("\ufeff"):
        message = f"a byte order mark inside the file, as where files were joined; {HELP_ON_ERROR}"
        return line.lstrip("\ufeff"), Fault("byte order mark inside a file", message, number)
    return line, None


def _cells(line: str, separator: str | None) -> list[str]:
    """The columns of a line; white space around a cell is no part of it."""
    if separator is None:
        return [cell.strip() for cell in _BLANKS.split(line.strip(" \t\r\n"))]
    return [cell.strip() for cell in line.split(separator)]


def _cell(cells: Sequence[str], column: int, n_columns: int) -> str:
    """The cell asked for; empty where a short line has none.

    From the right only a line of at least `n_columns` is counted: in a shorter one the last cell is
    not the tag.
    """
    if column < 0 and len(cells) < n_columns:
        column += n_columns
    return cells[column] if -len(cells) <= column < len(cells) else ""
