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
from itertools import accumulate, chain, count, pairwise
from operator import sub
from typing import NoReturn

from nertune import schemes
from nertune.data.lines import Stretch, blocks, cell, cells_of, decoded, stretches
from nertune.data.source import HELP_ON_ERROR, Fault, Source, check_tag, shown
from nertune.documents import Document
from nertune.errors import DataError

_MARK = r"(?:\d+[ \t]+)?-DOCSTART-?(?=\s|$)|#[ \t]?DOCSTART\b|#[ \t]newdoc\b"
_MARK_LINE = re.compile(_MARK, re.ASCII)  # the same rule as for bytes
_ANY_MARK = re.compile(rf"^(?:\xef\xbb\xbf)?(?:{_MARK})".encode(), re.MULTILINE)
_METADATA = re.compile(r"#\s+(?:[\w.:-]+\s+=(?:\s|$)|newpar\b|sent_id\b|id\s+\S+\s+domain=)")
_ODD_SPACE = re.compile(r"[^\S \t\n]")
_SCAN_BYTES = 1 << 17
_OVERLAP = 64

Sentence = tuple[Sequence[str], Sequence[str] | None]
"""Words and tags; no tags where the file has none."""


def read_columns(source: Source) -> Iterator[Document]:
    """The documents of a column file, in order.

    Raises DataError (TagError for a tag) with the place of the first fault where on_error is stop,
    and in any case where the columns asked for do not exist.
    """
    marked = source.marked
    draft: list[Sentence] = []
    for sentence in ColumnReader(source).sentences():
        if sentence is not None:
            draft.append(sentence)
            if marked:
                continue
        marked = marked or sentence is None
        if draft:
            yield _document(draft)
            draft = []
    if draft:
        yield _document(draft)


def _document(sentences: Sequence[Sentence]) -> Document:
    words, tags = sentences[0]
    if len(sentences) > 1:
        words = [word for words, _ in sentences for word in words]
        tags = None if tags is None else [tag for _, tags in sentences for tag in tags or ()]
    edges = accumulate((len(words) for words, _ in sentences), initial=0)
    return Document.from_checked(words, tags, tuple(pairwise(edges)))


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
    counts = {len(cells_of(line, separator)) for line in lines if not is_mark(line)}
    return len(counts) == 1 and min(counts) > 1


def _has_hash(line: str) -> bool:
    return line.startswith("#")


def _is_hash(line: str) -> bool:
    """Whether a line begins with a hash by itself, and so may be a comment."""
    return line.startswith(("# ", "#\t")) or line.strip() == "#"


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
        rest = stretches(self._source.stream)
        for stretch in chain(self._until_columns_known(rest), rest):
            plain = self._plain(stretch[1])
            if plain is None:
                yield from self._by_blocks(stretch)
            else:
                yield from plain

    def _by_blocks(self, stretch: Stretch) -> Iterator[Sentence | None]:
        """The sentences of a stretch with something peculiar in it, and its marks."""
        for first, block in blocks(stretch):
            plain = self._plain(b"".join(block))
            if plain is None:
                yield from self._careful(first, block)
            else:
                yield from plain

    def _until_columns_known(self, rest: Iterator[Stretch]) -> list[Stretch]:
        """The stretches up to the first with data; those before hold comments or marks."""
        seen: list[Stretch] = []
        for stretch in rest:
            seen.append(stretch)
            for first, block in blocks(stretch):
                self._find_columns(first, block)
                if self.n_columns:
                    return seen
        for first, block in chain.from_iterable(map(blocks, seen)):
            if not self.n_columns:
                self._find_columns(first, block, _is_hash)
        return seen

    def _plain(self, raw: bytes) -> list[Sentence] | None:
        """Sentences without peculiarities, in one go; None: look at each block, at each line."""
        if raw.startswith(b"#") or b"\n#" in raw or b"-DOCSTART" in raw:
            return None
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if _ODD_SPACE.search(text) or "\ufeff" in text or "\0" in text:
            return None
        lines = text.split("\n")
        found = self._columns_of([line.split(self._separator) for line in lines if line])
        if found is None:
            return None
        words, tags = tuple(found[0]), None if found[1] is None else tuple(found[1])
        blank = [place for place, line in enumerate(lines) if not line]
        edges = [0, *map(sub, blank, count()), len(words)]
        return [
            (words[a:b], None if tags is None else tags[a:b])
            for a, b in pairwise(edges)
            if a < b
        ]

    def _columns_of(self, rows: list[list[str]]) -> tuple[list[str], list[str] | None] | None:
        """The words and the tags of all rows; None where anything is wrong with one."""
        if not self.n_columns or set(map(len, rows)) != {self.n_columns}:
            return None
        words = [row[self._word] for row in rows]
        tags = None if self._tag is None else [row[self._tag] for row in rows]
        if self._separator is not None:
            words = [word.strip() for word in words]
            tags = tags and [tag.strip() for tag in tags]
        if self._prefix:
            words = [word.removeprefix(self._prefix).lstrip() for word in words]
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
            line, fault = decoded(raw, number)
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
        cells = cells_of(line, self._separator)
        n_cells = len(cells)
        faults: list[Fault] = []
        if n_cells != self.n_columns:
            faults.append(self._wrong_count(n_cells, number, line))
        word = cell(cells, self._word, self.n_columns).removeprefix(self._prefix).lstrip()
        tag = schemes.OUTSIDE if self._tag is None else cell(cells, self._tag, self.n_columns)
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
        cells = cells_of(line, self._separator)
        return _is_hash(line) and len(cells) != self.n_columns

    def _find_columns(
        self, first: int, block: Sequence[bytes], is_other: Callable[[str], bool] = _has_hash
    ) -> None:
        """How many columns the file has, from its first sentence; checks the columns asked for.

        is_other: which lines say nothing about that.
        """
        rows = []
        for number, raw in enumerate(block, first):
            line, fault = decoded(raw, number)
            if fault and self._source.settings.on_error == "stop":
                self._source.settle([fault])
            elif line and not is_other(line) and not is_mark(line):
                rows.append((number, cells_of(line, self._separator)))
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
