"""What a terminal shows of a document: all of its text, and nothing that it could mistake."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nertune.cli.render import clean, print_highlighted
from nertune.documents import Document, Entity

ON_A_TERMINAL: dict[str, Any] = {"force_terminal": True, "color_system": "standard"}
CODE = re.compile("\x1b\\[[0-9;]*m")


def shown(document: Document, **console: Any) -> str:
    out = io.StringIO()
    print_highlighted(document, Console(file=out, width=20, **console))
    return out.getvalue()


def of(text: str, *names: tuple[str, str]) -> Document:
    spans = [(text.index(name), text.index(name) + len(name), label) for name, label in names]
    return Document.from_text(text, spans)


LISBON = of("Ada saw Lisbon.", ("Ada", "PER"), ("Lisbon", "LOC"))


def test_a_file_gets_names_in_brackets_with_their_labels():
    assert shown(LISBON) == "[Ada PER] saw [Lisbon LOC].\n"


def test_a_terminal_gets_names_in_the_colour_of_their_label():
    text = shown(LISBON, **ON_A_TERMINAL)
    assert CODE.sub("", text) == "Ada PER saw Lisbon LOC.\n"
    assert text.startswith("\x1b[1;36mAda\x1b[0m\x1b[2;36m PER\x1b[0m saw \x1b[1;32mLisbon")


def test_no_color_takes_colours_away_but_no_names(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(LISBON, **ON_A_TERMINAL) == shown(LISBON)


def test_a_terminal_without_colours_gets_brackets(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(LISBON, force_terminal=True) == shown(LISBON)


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J",  # clears the screen
        "\x1b]0;title\x07",
        "\x1b]8;;http://evil.example\x1b\\",
        "\x9b31m",  # the same as ESC [ in one character
        "\rrm -rf",  # writes over the line
        "\b\b\b",
        "\u202ecod.exe",  # turns the direction of writing
        "\u2066\u2067",
        "\x7f\x00\x0b\x0c\x85",
    ],
)
def test_text_cannot_steer_the_terminal(attack):
    document = of(f"a {attack} An{attack}n b", (f"An{attack}n", "PER"))
    for console in ({}, ON_A_TERMINAL):
        left = CODE.sub("", shown(document, **console))
        assert "\ufffd" in left
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", left)


@given(st.text())
def test_every_printable_character_of_any_text_is_shown(text):
    text = text.replace("\t", " ")  # shown as so many spaces as reach the next stop
    assert shown(Document.from_text(text)) == clean(text) + "\n"
    assert CODE.sub("", shown(Document.from_text(text), **ON_A_TERMINAL)) == clean(text) + "\n"


def test_markup_emoji_codes_and_links_stand_as_they_are():
    text = "[red]x[/] :smile: http://x.example [bold] 12"
    assert shown(of(text), **ON_A_TERMINAL) == text + "\n"


def test_lines_and_tabs_are_kept_and_nothing_is_wrapped():
    document = of("a\tAnn\tLee\r\nb\n" + "x" * 50, ("Ann\tLee", "PER"))
    assert shown(document) == "a       [Ann    Lee PER]\nb\n" + "x" * 50 + "\n"


def test_wide_characters_are_not_cut_to_the_width():
    text = "昨天王小明在北京大学见了山田太郎🙂👩\u200d🔬e\u0301昨天王小明"
    document = of(text, ("北京大学", "ORG"))
    expected = "昨天王小明在[北京大学 ORG]见了山田太郎🙂👩\u200d🔬e\u0301昨天王小明\n"
    assert shown(document) == expected


def test_an_entity_over_another_shows_no_character_twice():
    entities = (Entity(0, 8, "ORG", "Bank of"), Entity(5, 12, "LOC", "of Rome"))
    document = Document("Bank of Rome", ((0, 4), (5, 7), (8, 12)), ((0, 3),), entities)
    assert shown(document) == "[Bank of ORG]Rome\n"
