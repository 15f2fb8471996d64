"""Models on the Hugging Face Hub, pushed and fetched: the one door to the Hub.

The access token comes from where huggingface_hub looks for it (HF_TOKEN, the login); it stands in
no message of ours, and none of ours is chained to an error that may hold it.
"""

from nertune.modelhub.client import answers
from nertune.modelhub.fetching import (
    Located,
    download,
    find_model,
    is_hub_id,
    locate,
    open_bundle,
)
from nertune.modelhub.pushing import CARD, Pushed, prepare, push, pushed_files

__all__ = [
    "CARD",
    "Located",
    "Pushed",
    "answers",
    "download",
    "find_model",
    "is_hub_id",
    "locate",
    "open_bundle",
    "prepare",
    "push",
    "pushed_files",
]
