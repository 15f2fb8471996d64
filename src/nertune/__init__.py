"""nertune: annotated text in, a named-entity recogniser people can rely on out."""

from importlib.metadata import version

from nertune.documents import Document, Entity
from nertune.engine import Tagger

__version__ = version("nertune")
__all__ = ["Document", "Entity", "Tagger", "__version__"]
