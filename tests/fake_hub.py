"""A Hub in this process: enough of its HTTP interface for the real `huggingface_hub` client.

    hub = FakeHub()
    hub.put("me/x", {"config.json": b"{}"}, private=True)
    hub.fail("commit", "cut")              # once; or a status: hub.fail("create", 403)

What a fault stops never happened: a commit that was cut off is no commit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_theTokenOfMe0123456789"
USER = "me"

# What a request is about, by its path; the first that fits.
ROUTES = {
    "create": r"/api/repos/create",
    "yaml": r"/api/validate-yaml",
    "preupload": r"/api/models/(?P<repo>.+)/preupload/(?P<revision>[^/]+)",
    "commit": r"/api/models/(?P<repo>.+)/commit/(?P<revision>[^/]+)",
    "branch": r"/api/models/(?P<repo>.+)/branch/(?P<revision>[^/]+)",
    "tree": r"/api/models/(?P<repo>.+)/tree/(?P<revision>[^/]+)(?:/.*)?",
    "info": r"/api/models/(?P<repo>.+?)(?:/revision/(?P<revision>[^/]+))?",
    "file": r"/(?P<repo>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
}


@dataclass
class Commit:
    """A state of a repository."""

    sha: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """A repository: its commits, oldest first, and which of them its branches and tags name."""

    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, revision: str, message: str, files: dict[str, bytes]) -> Commit:
        sha = hashlib.sha1(f"{len(self.commits)} {message} {sorted(files)}".encode()).hexdigest()
        self.commits.append(Commit(sha, message, files))
        self.refs[revision] = sha
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        sha = self.refs.get(revision, revision)
        return next((commit for commit in self.commits if commit.sha == sha), None)


class FakeHub:
    """The server; `with FakeHub() as hub` ends it."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[str] = []
        self.faults: dict[str, list[Any]] = {}
        self.released = threading.Event()
        self.connections: list[socket.socket] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> FakeHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End; whoever connects from now on is refused."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def put(self, name: str, files: dict[str, bytes], **settings: bool) -> Repo:
        """A repository with one commit."""
        self.repos[name] = Repo(**settings)
        self.repos[name].commit("main", "first", files)
        return self.repos[name]

    def fail(self, route: str, *faults: int | str) -> None:
        """What the next requests of a route meet, one after the other.

        A status; 'hang': no answer; 'cut': the connection is reset, of an upload or a download in
        the middle; 'end': a download ends in the middle; 'short': it is of half the file, and says
        that this is all; 'ok': nothing.
        """
        self.faults.setdefault(route, []).extend(faults)

    def environment(self, home: Path, **others: str) -> dict[str, str]:
        """What a program must be told to find this Hub; its cache is in `home`."""
        own = {"HF_ENDPOINT": self.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home)}
        return {**os.environ, **own, "HF_TOKEN": TOKEN, **others}

    def count(self, route: str) -> int:
        """How many requests of a route there were."""
        return self.requests.count(route)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> FakeHub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def setup(self) -> None:
        super().setup()
        self.hub.connections.append(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def _serve(self) -> None:
        path = urlsplit(self.path).path
        found = ((name, re.fullmatch(pattern, path)) for name, pattern in ROUTES.items())
        route, match = next(((name, m) for name, m in found if m), ("", None))
        route = "head" if (route, self.command) == ("file", "HEAD") else route
        self.hub.requests.append(route)
        faults = self.hub.faults.get(route, [])
        self.fault: Any = faults.pop(0) if faults else "ok"
        if self.fault == "hang":
            self.hub.released.wait(60)
            self.close_connection = True
            return
        if self.fault == "cut" and route != "file":
            self.rfile.read(min(1000, int(self.headers.get("Content-Length", 0))))
            self._reset()
            return
        self.body = self._read()
        if isinstance(self.fault, int):
            self._refuse(self.fault, "")
        elif match is None:
            self._refuse(404, "")
        else:
            parts = {key: unquote(value) for key, value in match.groupdict().items() if value}
            self._answer(route, **parts)

    def _answer(
        self, route: str, repo: str = "", revision: str = "main", path: str | None = None
    ) -> None:
        route = "file" if route == "head" else route
        if route in ("create", "yaml"):
            getattr(self, f"_{route}")()
            return
        mine = self._authorized()
        there = self.hub.repos.get(repo)
        if there is None or (there.private and not mine):
            self._refuse(404 if mine else 401, "RepoNotFound")
        elif route in ("preupload", "commit", "branch") and not mine:
            self._refuse(401, "")
        elif route in ("preupload", "commit", "branch") and not repo.startswith(f"{USER}/"):
            self._refuse(403, "")
        elif route != "branch" and there.commits and there.at(revision) is None:
            self._refuse(404, "RevisionNotFound")
        elif route == "file":
            self._file(there, revision, path or "")
        else:
            getattr(self, f"_{route}")(repo, there, revision)

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    # --- routes ---

    def _create(self) -> None:
        asked = json.loads(self.body)
        if not self._authorized():
            self._refuse(401, "")
            return
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        if not name.startswith(f"{USER}/"):
            self._refuse(403, "")
            return
        exists = name in self.hub.repos
        if not exists:
            private = asked.get("visibility") == "private"
            self.hub.put(name, {".gitattributes": b""}, private=private)
        self._json({"url": f"{self.hub.url}/{name}", "name": name}, 409 if exists else 200)

    def _yaml(self) -> None:
        broken = "\n: :" in json.loads(self.body)["content"]
        errors = [{"message": "the YAML of the card is broken"}] if broken else []
        self._json({"errors": errors, "warnings": []}, 400 if broken else 200)

    def _branch(self, _: str, repo: Repo, branch: str) -> None:
        exists = branch in repo.refs
        repo.refs.setdefault(branch, repo.refs["main"])
        self._json({}, 409 if exists else 200)

    def _preupload(self, _: str, repo: Repo, revision: str) -> None:
        commit = repo.at(revision)
        present = commit.files if commit else {}
        files = [
            {
                "path": file["path"],
                "uploadMode": "regular",  # so that nothing goes to another storage
                "shouldIgnore": False,
                "oid": _oid(present[file["path"]]) if file["path"] in present else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._json({"files": files})

    def _commit(self, name: str, repo: Repo, revision: str) -> None:
        before = repo.at(revision)
        files, message = dict(before.files if before else {}), ""
        for line in filter(None, self.body.split(b"\n")):
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "header":
                message = value["summary"]
            elif row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                assert row["key"] == "deletedFile", row["key"]
                del files[value["path"]]
        made = repo.commit(revision, message, files)
        url = f"{self.hub.url}/{name}/commit/{made.sha}"
        self._json({"commitUrl": url, "commitOid": made.sha, "success": True})

    def _tree(self, _: str, repo: Repo, revision: str) -> None:
        commit = repo.at(revision)
        assert commit
        self._json(
            [
                {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
                for path, data in commit.files.items()
            ]
        )

    def _info(self, name: str, repo: Repo, revision: str) -> None:
        commit = repo.at(revision)
        self._json(
            {
                "id": name,
                "private": repo.private,
                "gated": "manual" if repo.gated else False,
                "sha": commit.sha if commit else None,
                "siblings": [{"rfilename": path} for path in (commit.files if commit else {})],
            }
        )

    def _file(self, repo: Repo, revision: str, path: str) -> None:
        commit = repo.at(revision)
        assert commit
        if path not in commit.files:
            self._refuse(404, "EntryNotFound")
            return
        if repo.gated and not self._authorized():
            self._refuse(401, "GatedRepo")
            return
        whole = commit.files[path]
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        data = whole[start:]
        sent = data[: len(data) // 2] if self.fault in ("cut", "end", "short") else data
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_oid(whole)}"')
        self.send_header("X-Repo-Commit", commit.sha)
        self.send_header("Content-Length", str(len(sent if self.fault == "short" else data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)
            self.close_connection = self.fault == "end"
            if self.fault == "cut":
                self._reset()

    # --- answers ---

    def _json(self, content: Any, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: int, code: str) -> None:
        """An error that tells the caller everything it sent, as a careless server may."""
        said = f"not for {self.headers.get('Authorization')}"
        data = json.dumps({"error": said}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", said)
        self.send_header("X-HF-Warning", f"x; {said}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _reset(self) -> None:
        """Break the connection off with a reset instead of an orderly end."""
        self.wfile.flush()
        now = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.connection.close()
        self.close_connection = True

    def _read(self) -> bytes:
        """The body, also where it comes in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def _oid(data: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
