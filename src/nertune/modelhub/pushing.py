"""A model folder uploaded to the Hub: exactly the files of a bundle, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.bundle import load_bundle, model_folder, names_in
from nertune.errors import OutputError
from nertune.modelhub.client import Hub
from nertune.modelhub.faults import NOT_PUSHED, without_secrets
from nertune.modelhub.fetching import NEEDED, matching

CARD = "README.md"
PUSHED = (*NEEDED, CARD)
"""Files of a model folder that are uploaded, where they are there."""


@dataclass(frozen=True)
class Pushed:
    """What a push left on the Hub: the address of the commit, and the files of the model.

    changed: False where the Hub had the very same files already; `url` is then the last commit's.
    """

    url: str
    files: tuple[str, ...]
    changed: bool


def push(
    run: str | Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    quiet: bool = False,
) -> Pushed:
    """Upload the model of a run, or a model folder, in one commit, to a repository made if needed.

    Files there that belong to another model (other weights, an old tagger.json) are taken away in
    the same commit; everything else in the repository stays. private: refused where the repository
    exists and is public. quiet: no progress bars.
    Raises BundleError for a folder that is no whole model, OutputError where the push fails.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    folder = model_folder(run)
    version = load_bundle(folder).settings.nertune_version
    files = pushed_files(folder)
    with Hub(quiet) as hub:
        name = _make(hub, repo, private, revision)
        before = hub.find(name, revision)
        there = matching((file.rfilename for file in before.siblings or ()), NEEDED)
        operations: list[Any] = [CommitOperationAdd(file, folder / file) for file in files]
        operations += [CommitOperationDelete(file) for file in there if file not in files]
        # Not upload_folder, which may divide the files among several commits.
        commit = hub.api.create_commit(
            name,
            operations,
            commit_message=message or f"Upload a model{f' of nertune {version}' * bool(version)}",
            revision=revision,
        )
        return Pushed(without_secrets(commit.commit_url), files, commit.oid != before.sha)
    raise OutputError(hub.fault.message(repo, revision, NOT_PUSHED))


def pushed_files(folder: Path) -> tuple[str, ...]:
    """The files of a model folder that a push uploads."""
    return matching(names_in(folder), PUSHED)


def prepare(repo: str, private: bool = False) -> None:
    """Make the repository of later pushes, and find out early whether that can be done.

    Raises OutputError.
    """
    with Hub(quiet=True) as hub:
        _make(hub, repo, private, None)
        return
    raise OutputError(hub.fault.message(repo, None, NOT_PUSHED))


def _make(hub: Hub, repo: str, private: bool, revision: str | None) -> str:
    """Make the repository and the branch where there are none; the repository's whole name."""
    made = hub.api.create_repo(repo, private=private or None, exist_ok=True)
    name = repo if "/" in repo else made.repo_id
    if private and not hub.find(name, None).private:
        raise OutputError(
            f"{name}: exists and is public, and a push does not make it private; change that in "
            f"its settings on {without_secrets(hub.api.endpoint)}, or push without 'private'"
        )
    if revision and not revision.startswith("refs/"):
        hub.api.create_branch(name, branch=revision, exist_ok=True)
    return name
