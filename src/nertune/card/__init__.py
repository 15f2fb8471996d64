"""The model card: what a model is, how to use it, how good it is and where it ends."""

from nertune.card.facts import CardOptions
from nertune.card.writing import WrittenCard, write_card

__all__ = ["CardOptions", "WrittenCard", "write_card"]
