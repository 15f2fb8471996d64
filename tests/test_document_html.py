"""A document in a notebook: the whole text, safely, readable on a light page and on a dark one."""

from __future__ import annotations

import colorsys
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.documents import Document, Entity
from nertune.documents.html import N_CHARACTERS, N_ENTITIES, to_html

quick = settings(deadline=None, max_examples=100)


class Page(HTMLParser):
    """The tags, the text beside labels, and the labels of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.marks: list[dict[str, str | None]] = []
        self.labels: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "mark":
            self.marks.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "bdi" in self.open:
            self.labels.append(data)
        elif "span" not in self.open:
            self.text += data


def of(text: str, *names: tuple[str, str], score: float | None = None) -> Document:
    spans = [(text.index(name), text.index(name) + len(name), label) for name, label in names]
    made = Document.from_text(text, spans)
    return replace(made, entities=tuple(replace(e, score=score) for e in made.entities))


def test_entities_are_marked_with_their_label_and_their_score():
    document = of("Ada saw Lisbon.", ("Ada", "PER"), ("Lisbon", "LOC"), score=0.98765)
    page = Page(document._repr_html_())
    assert page.text == "Ada saw Lisbon."
    assert page.labels == ["PER", "LOC"]
    assert page.marks[0]["title"] == "PER, score 0.988, characters 0 to 3"


def test_gold_entities_show_no_score():
    [mark] = Page(of("Ada", ("Ada", "PER"))._repr_html_()).marks
    assert mark["title"] == "PER, characters 0 to 3"


@st.composite
def annotated(draw: st.DrawFn) -> Document:
    parts = draw(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6))
    label = st.text("PER<>&\"'é", min_size=1, max_size=8)
    text, spans = "", []
    for before, name in parts:
        text += before
        if name and name == name.strip():
            spans.append((len(text), len(text) + len(name), draw(label)))
        text += name
    return Document.from_text(text, spans, id=draw(st.none() | st.text(max_size=5)))


@given(annotated())
@quick
def test_any_text_is_whole_and_escaped(document):
    html = document._repr_html_()
    page = Page(html)
    assert page.tags <= {"div", "mark", "span", "bdi"}
    shown = re.sub(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", document.text.replace("\r\n", "\n")
    )
    assert not shown or shown in page.text
    assert page.labels == [entity.label for entity in document.entities]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


@pytest.mark.parametrize(
    "attack", ["<script>alert(1)</script>", '" onmouseover="alert(1)', "</div></mark>", "&#60;b>"]
)
def test_neither_text_nor_label_nor_id_can_be_code(attack):
    label = attack.replace(" ", "")
    document = Document.from_text(f"x {attack}", [(2, 2 + len(attack), label)], id=attack)
    page = Page(document._repr_html_())
    assert page.tags == {"div", "mark", "span", "bdi"}
    assert page.text.count(attack) == 2
    assert page.labels == [label]
    assert set(page.marks[0]) == {"title", "style"}


def test_white_space_is_kept():
    html = of("  a\n\n\tb  ")._repr_html_()
    assert "  a\n\n\tb  </div>" in html
    assert "white-space:pre-wrap" in html


def test_a_label_keeps_to_the_end_of_its_name_in_either_direction():
    assert "</bdi>&lrm;" in of("Ada 5", ("Ada 5", "PER"))._repr_html_()
    assert "</bdi>&rlm;" in of("القاهرة", ("القاهرة", "LOC"))._repr_html_()
    assert "</bdi></span>" in of("42", ("42", "N"))._repr_html_()
    assert "unicode-bidi:plaintext" in of("القاهرة")._repr_html_()


def colours(label: str) -> list[str]:
    return re.findall(r"hsla?\([^)]*\)", of("x", ("x", label))._repr_html_())


def test_the_colour_of_a_label_is_always_the_same():
    assert colours("gene") == colours("gene")
    assert len({tuple(colours(label)) for label in ("PER", "ORG", "LOC", "MISC")}) == 4
    # Written down: another session, and another version, must not paint it anew.
    assert "hsl(285," in colours("gene")[1]


@pytest.mark.parametrize("hue", range(0, 360, 15))
def test_labels_can_be_read_on_their_ground(hue):
    found = re.search(r"hsl\(\d+,(\d+)%,(\d+)%\)\">PER", of("x", ("x", "PER"))._repr_html_())
    assert found
    saturation, lightness = (int(part) / 100 for part in found.groups())
    rgb = colorsys.hls_to_rgb(hue / 360, lightness, saturation)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5, "less than WCAG AA asks of white text"


def test_text_of_names_has_the_colour_of_the_page():
    [mark] = Page(of("Ada", ("Ada", "PER"))._repr_html_()).marks
    assert "color:inherit" in (mark["style"] or "")


# --- what is too long ---


def test_a_huge_text_is_cut_with_a_note():
    text = "word " * 1_000_000 + "Ada"
    html = of(text, ("Ada", "PER"))._repr_html_()
    assert len(html) < N_CHARACTERS + 1000
    assert "10,000 of 5,000,003 characters shown, with 0 of 1 entities" in html


def test_too_many_entities_are_cut_with_a_note():
    n = 2 * N_ENTITIES
    document = Document.from_words(["Ada"] * n, ["B-PER"] * n)
    page = Page(document._repr_html_())
    assert len(page.marks) == N_ENTITIES
    assert f"with {N_ENTITIES} of {n:,} entities" in page.text


def test_an_entity_over_the_edge_is_cut_with_it():
    document = of("x " + "A" * 50, ("A" * 50, "PER"))
    page = Page(to_html(document, n_characters=10))
    assert page.text.startswith("x AAAAAAAA…")
    assert page.labels == ["PER"]


def test_what_is_whole_has_no_note():
    assert "shown" not in of("x" * N_CHARACTERS)._repr_html_()
    assert "no text" in of("")._repr_html_()


def test_an_entity_over_another_shows_no_character_twice():
    entities = (Entity(0, 7, "ORG", "Bank of"), Entity(5, 12, "LOC", "of Rome"))
    document = Document("Bank of Rome", ((0, 4), (5, 7), (8, 12)), ((0, 3),), entities)
    assert Page(document._repr_html_()).text == "Bank of Rome"
