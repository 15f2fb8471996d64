"""What `import nertune` offers, name by name: a change here is a change for everyone."""

from __future__ import annotations

from importlib.metadata import version

import nertune
from nertune.documents import Document, Entity
from nertune.engine import Tagger


def test_the_public_names_are_these_and_no_others() -> None:
    assert nertune.__all__ == ["Document", "Entity", "Tagger", "__version__"]


def test_the_public_names_are_what_they_say() -> None:
    assert (nertune.Document, nertune.Entity, nertune.Tagger) == (Document, Entity, Tagger)
    assert nertune.__version__ == version("nertune")
