"""Why the Hub did not do what was asked, in words that name the cure and hold no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from errno import EACCES, EDQUOT, ENOSPC, EROFS
from pathlib import Path

NO_ANSWER = ("offline", "unreachable", "slow", "cut", "sick", "busy")
"""Kinds of faults in which the Hub said nothing about the repository itself."""

_LONGEST = 300
_SECRETS = (
    (re.compile(r"hf_\w{6,}"), "hf_***"),
    (re.compile(r"\b(bearer|basic)\s+[^\s,;'\"}]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"://[^/\s@]+@"), "://***@"),
)

# Of the classes of huggingface_hub, and of httpx below it, the first that fits.
_BY_CLASS = {
    "OfflineModeIsEnabled": "offline",
    "HFValidationError": "name",
    "GatedRepoError": "gated",
    "RevisionNotFoundError": "revision",
    "RepositoryNotFoundError": "missing",
    "TimeoutException": "slow",
    "ConnectError": "unreachable",
    "ProxyError": "unreachable",
    "UnsupportedProtocol": "unreachable",
    "TransportError": "cut",
}
_NO_ROOM = (ENOSPC, EDQUOT, EROFS, EACCES)
_BY_STATUS = {401: "token", 403: "forbidden", 404: "missing", 408: "slow", 429: "busy"}


@dataclass(frozen=True)
class Fault:
    """What went wrong: one kind of a few, and what was said about it, in one line."""

    kind: str
    said: str

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """The first error in the chain of causes that says what is wrong."""
        chain = [error]
        while (cause := chain[-1].__cause__) is not None:
            chain.append(cause)
        kind, told = next(((_kind(one), one) for one in chain if _kind(one)), (None, error))
        response = getattr(told, "response", None)
        words = getattr(told, "server_message", None) or (told if response is None else "")
        status = "" if response is None else str(response.status_code)
        parts = filter(None, (status, without_secrets(" ".join(str(words).split()))))
        return cls(kind or "other", ": ".join(parts)[:_LONGEST] or type(told).__name__)

    def message(self, repo: str, revision: str | None, texts: Mapping[str, str]) -> str:
        """What is wrong, what was expected and how to cure it; `texts` by kind."""
        from huggingface_hub import constants

        return texts.get(self.kind, texts["other"]).format(
            repo=repo,
            revision=revision or constants.DEFAULT_REVISION,
            said=self.said,
            endpoint=without_secrets(constants.ENDPOINT),
            cache=constants.HF_HUB_CACHE,
        )


def without_secrets(text: str) -> str:
    """Text without anything that is an access token or a password, or looks like one."""
    for secret in _known_secrets():
        text = text.replace(secret, "***")
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def _known_secrets() -> list[str]:
    from huggingface_hub import constants

    found = [os.environ.get(name, "") for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]
    path = Path(constants.HF_TOKEN_PATH)
    if path.is_file():
        found.append(path.read_text(encoding="utf-8", errors="replace"))
    return [secret.strip() for secret in found if len(secret.strip()) > 3]


def _kind(error: BaseException) -> str | None:
    """The kind of fault that an error of the client or of the layers below it stands for."""
    names = {kind.__name__ for kind in type(error).__mro__}
    for name, kind in _BY_CLASS.items():
        if name in names:
            return kind
    response = getattr(error, "response", None)
    if response is not None:
        status = int(response.status_code)
        return _BY_STATUS.get(status, "sick" if status >= 500 else "other")
    if isinstance(error, OSError) and (error.filename or error.errno in _NO_ROOM):
        return "disk"
    if isinstance(error, ValueError) and "README.md" in str(error):
        return "card"
    if isinstance(error, OSError) and "onsistency check failed" in str(error):
        return "cut"
    return None


_LOGIN = "log in with 'hf auth login', or set HF_TOKEN to an access token"
_HERE = (
    "fetch it on a machine that has a network ('hf download {repo} --local-dir FOLDER') and name "
    "that folder"
)
_NO_FOLDER = (
    "{repo}: there is no such model folder; expected one written by 'nertune train', one saved by "
    "transformers, or a model on the Hub"
)
_NO_COPY = "no whole copy (revision {revision}) is in the cache"

NOT_LOADED = {
    "offline": f"{_NO_FOLDER}. HF_HUB_OFFLINE is set, and {_NO_COPY} {{cache}}; unset it, or "
    f"{_HERE}",
    "unreachable": f"{_NO_FOLDER}. The Hub cannot be reached at {{endpoint}} ({{said}}), and "
    f"{_NO_COPY}; check the network, or {_HERE}",
    "slow": f"{_NO_FOLDER}. The Hub at {{endpoint}} did not answer in time ({{said}}), and "
    f"{_NO_COPY}; try again, or {_HERE}",
    "missing": f"{_NO_FOLDER}. The Hub has none of that name that you may see ({{said}}); check "
    f"the spelling, for a private one {_LOGIN} that may read it",
    "revision": "{repo}: has no revision '{revision}' on the Hub; expected a branch, a tag or a "
    "commit",
    "gated": "{repo}: its owner must grant access to it ({said}); ask for it on {endpoint}/{repo}, "
    f"then {_LOGIN}",
    "token": "{repo}: the Hub refused the access token ({said}); renew it with 'hf auth login', or "
    "unset HF_TOKEN for a public model",
    "forbidden": f"{{repo}}: the Hub refused access ({{said}}); {_LOGIN} that may read it",
    "cut": "{repo}: the download broke off ({said}); nothing half was kept, run it again",
    "sick": f"{{repo}}: the Hub has a fault of its own ({{said}}), and {_NO_COPY}; try again later",
    "busy": f"{{repo}}: the Hub takes no more requests from here for now ({{said}}), and "
    f"{_NO_COPY}; try again later, or {_LOGIN}",
    "disk": "{repo}: cannot be stored in the cache {cache} ({said}); make room and see that you "
    "may write there, or set HF_HOME to another folder",
    "other": "{repo}: cannot be downloaded from the Hub ({said}); check the name and the revision",
}
"""What a failed download is told as."""

_AGAIN = "the model here is whole; push it again"
_MAY_NOT = f"{{repo}}: you may not write there ({{said}}); {_LOGIN} that may, or choose a "
_MAY_NOT += "repository of your own"

NOT_PUSHED = {
    "offline": "{repo}: cannot be pushed to while HF_HUB_OFFLINE is set; unset it and push again",
    "name": "{repo}: is no name of a repository ({said}); expected user/name",
    "unreachable": "{repo}: the Hub cannot be reached at {endpoint} ({said}); check the network. "
    f"Nothing was changed there, {_AGAIN}",
    "slow": f"{{repo}}: the Hub did not answer in time ({{said}}); {_AGAIN}",
    "cut": f"{{repo}}: the connection to the Hub broke off ({{said}}); {_AGAIN}",
    "missing": "{repo}: there is no such repository that you may see ({said}); check the name, as "
    f"user/name, and {_LOGIN} that may write there",
    "token": f"{{repo}}: the Hub does not know who you are ({{said}}); {_LOGIN} that may write",
    "forbidden": _MAY_NOT,
    "gated": _MAY_NOT,
    "card": "{repo}: the head of the card is refused ({said}); correct README.md and push again",
    "sick": f"{{repo}}: the Hub has a fault of its own ({{said}}); try later, {_AGAIN}",
    "busy": f"{{repo}}: the Hub takes no more requests for now ({{said}}); try later, {_AGAIN}",
    "other": f"{{repo}}: the push failed ({{said}}). Correct that; {_AGAIN}",
}
"""What a failed push is told as."""
