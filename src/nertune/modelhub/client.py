"""The Hub's client, made to keep quiet, not to wait without end, and to tell faults apart."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from nertune.errors import NertuneError
from nertune.modelhub.faults import NO_ANSWER, Fault

# Seconds. The client waits without end where it is told no limit; a commit may take a minute.
_CONNECT = 3.0
_READ = 120.0


class Hub:
    """The client for the length of a `with`: an error ends the block and is kept in `fault`.

    Errors of nertune pass through. quiet: no progress bars, of which there are none either where
    standard error is no terminal.
    """

    fault: Fault

    def __init__(self, quiet: bool = False) -> None:
        from huggingface_hub import HfApi, constants, utils

        self.api = HfApi()
        self._constants: Any = constants
        self._utils: Any = utils
        self._session = self._utils.get_session()
        terminal = sys.stderr is not None and sys.stderr.isatty()
        forced = constants.HF_HUB_DISABLE_PROGRESS_BARS is not None
        self._quiet = (quiet or not terminal) and not forced

    def __enter__(self) -> Hub:
        self._hooks = self._session.event_hooks
        hooks = [*self._hooks.get("request", []), self._limit_waits]
        self._session.event_hooks = {**self._hooks, "request": hooks}
        self._level = self._utils.logging.get_verbosity()
        self._utils.logging.set_verbosity_error()
        # Else the client first asks the Hub which programs it should look for on this machine.
        self._telemetry = self._constants.HF_HUB_DISABLE_TELEMETRY
        self._constants.HF_HUB_DISABLE_TELEMETRY = True
        self._quiet = self._quiet and not self._utils.are_progress_bars_disabled()
        if self._quiet:
            self._utils.disable_progress_bars()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        self._session.event_hooks = self._hooks
        self._utils.logging.set_verbosity(self._level)
        self._constants.HF_HUB_DISABLE_TELEMETRY = self._telemetry
        if self._quiet:
            self._utils.enable_progress_bars()
        if not isinstance(error, Exception) or isinstance(error, NertuneError):
            return False
        self.fault = Fault.of(error)
        return True

    def find(self, repo: str, revision: str | None) -> Any:
        """What the Hub knows about a repository, asked once."""
        wait = self._constants.HF_HUB_ETAG_TIMEOUT
        return self.api.model_info(repo, revision=revision, timeout=wait)

    def _limit_waits(self, request: Any) -> None:
        """Give a request the limits that it lacks."""
        limits = request.extensions.setdefault("timeout", {})
        for name in ("read", "write", "pool"):
            if limits.get(name) is None:
                limits[name] = _READ
        slow = "HF_HUB_ETAG_TIMEOUT" in os.environ
        limits["connect"] = self._constants.HF_HUB_ETAG_TIMEOUT if slow else _CONNECT


def answers(repo: str, revision: str | None = None) -> bool:
    """Whether the Hub can be asked about a repository: tried once, without a long wait."""
    with Hub() as hub:
        hub.find(repo, revision)
        return True
    return hub.fault.kind not in NO_ANSWER
