"""The client does not chatter, does not wait without end, and is left as it was."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from refusals import told

from fake_hub import FakeHub
from nertune import modelhub
from nertune.config import ModelSettings
from nertune.errors import BundleError
from nertune.modelhub import client, open_bundle, prepare, push
from nertune.testing import tiny_encoder


class TestClient:
    def test_it_is_left_as_it_was(self, hub: FakeHub, content: dict[str, bytes]) -> None:
        from huggingface_hub import constants, utils

        hub.put("me/x", content)
        before = (
            utils.get_session().event_hooks, utils.logging.get_verbosity(),
            utils.are_progress_bars_disabled(), constants.HF_HUB_DISABLE_TELEMETRY,
        )  # fmt: skip
        open_bundle("me/x")
        prepare("me/y")
        hub.fail("create", 500)
        told(prepare, "me/y")
        assert before == (
            utils.get_session().event_hooks, utils.logging.get_verbosity(),
            utils.are_progress_bars_disabled(), constants.HF_HUB_DISABLE_TELEMETRY,
        )  # fmt: skip

    def test_it_says_nothing_by_itself(
        self, hub: FakeHub, run: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        push(run, "me/x")
        open_bundle("me/x")
        hub.fail("preupload", 500, 500, 500)
        push(run, "me/x")
        hub.fail("info", 500)
        told(open_bundle, "me/other")
        assert capfd.readouterr() == ("", "")

    def test_no_request_waits_without_end(
        self, hub: FakeHub, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits = []
        real = client.Hub._limit_waits

        def limit_waits(self: Any, request: Any) -> None:
            real(self, request)
            limits.append(request.extensions["timeout"])

        monkeypatch.setattr(client.Hub, "_limit_waits", limit_waits)
        push(run, "me/x")
        open_bundle("me/x")
        assert len(limits) == len(hub.requests) > 10
        for name in ("connect", "read", "write", "pool"):
            assert all(0 < one[name] <= 120 for one in limits)

    def test_patience_is_a_setting_of_the_client(
        self, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "30")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 30)
        seen = []
        with client.Hub() as one:
            one._session.event_hooks["request"].append(
                lambda request: seen.append(request.extensions["timeout"]["connect"])
            )
            one.find("me/x", None)
        assert seen == [30]


class TestEncoder:
    def test_a_name_out_of_reach_fails_at_once(self, hub: FakeHub) -> None:
        from nertune.model import new_tokenizer

        hub.close()
        start = time.monotonic()
        with pytest.raises(BundleError, match=r"model\.encoder: 'bert-bse' cannot be loaded"):
            new_tokenizer(ModelSettings(encoder="bert-bse"))
        assert time.monotonic() - start < 5

    def test_one_on_the_hub_is_loaded(self, hub: FakeHub, tmp_path: Path) -> None:
        from nertune.config import WindowSettings
        from nertune.model import new_model, new_tokenizer

        local = tiny_encoder(tmp_path / "encoder")
        hub.put("me/enc", {path.name: path.read_bytes() for path in local.iterdir()})
        settings = ModelSettings(encoder="me/enc")
        size = new_tokenizer(settings).get_vocab_size()
        window = WindowSettings(pieces=32)
        assert new_model(settings, ("O", "B-PER", "I-PER"), window).config.vocab_size == size
        hub.close()  # and again from the cache
        assert new_tokenizer(settings).get_vocab_size() == size


def test_the_public_names() -> None:
    assert all(hasattr(modelhub, name) for name in modelhub.__all__)
