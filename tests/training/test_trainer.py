"""Batches, loss and optimizer: one step is one step however it is cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import TrainerCallback, TrainingArguments

from nertune.config import TrainingSettings, WindowSettings
from nertune.corpus import Source, training_corpus
from nertune.encoding import IGNORED, Encoder, normalise_tokenizer
from nertune.errors import RecipeError
from nertune.model import add_shapes, head_parameters
from nertune.testing import tiny_model, tiny_tokenizer
from nertune.training.trainer import Batches, Collator, NerTrainer, word_loss

LENGTHS = np.random.default_rng(0).integers(3, 60, 101)


def settings(**values) -> TrainingSettings:
    return TrainingSettings(**{"batch_pieces": 240, "shape_dropout": 0.0, **values})


class TestBatches:
    @pytest.mark.parametrize("n_processes", [1, 2, 3])
    def test_each_window_comes_once_an_epoch_in_equally_many_batches(self, n_processes):
        processes = [Batches(LENGTHS, settings(), i, n_processes) for i in range(n_processes)]
        for epoch in range(4):
            for batches in processes:
                batches.set_epoch(epoch)
            drawn = [list(batches) for batches in processes]
            assert {len(share) for share in drawn} == {len(processes[0])}
            windows = [window for share in drawn for batch in share for window in batch]
            assert sorted(windows) == list(range(len(LENGTHS)))
            for batch in (batch for share in drawn for batch in share):
                assert len(batch) * LENGTHS[batch].max() <= 240

    def test_the_order_differs_by_epoch_and_by_seed_and_can_be_had_again(self):
        def drawn(seed: int, epoch: int) -> list[list[int]]:
            batches = Batches(LENGTHS, settings(seed=seed))
            batches.set_epoch(epoch)
            return list(batches)

        assert drawn(1, 0) == drawn(1, 0)
        different = [drawn(1, 0), drawn(1, 1), drawn(2, 0), drawn(2, 1)]
        assert len({str(one) for one in different}) == 4

    def test_too_few_windows_for_the_processes_are_refused(self):
        one_each = settings(batch_pieces=8)
        with pytest.raises(RecipeError, match="3 windows, too few to divide among 2 processes"):
            Batches(np.array([8, 8, 8]), one_each, 0, 2)
        assert len(Batches(np.array([8, 8, 8, 8]), one_each, 1, 2)) == 2

    def test_windows_without_shapes_are_drawn_by_seed_and_epoch(self):
        batches = Batches(LENGTHS, settings(shape_dropout=0.25))
        every = np.arange(len(LENGTHS))
        first = batches.without_shapes(every)
        assert 10 < first.sum() < 40
        assert (batches.without_shapes(every[50:60]) == first[50:60]).all()
        batches.set_epoch(1)
        assert (batches.without_shapes(every) != first).any()
        again = Batches(LENGTHS, settings(shape_dropout=0.25))
        assert (again.without_shapes(every) == first).all()

    @pytest.mark.parametrize(("share", "n"), [(0.0, 0), (1.0, len(LENGTHS))])
    def test_none_and_all_can_go_without_shapes(self, share, n):
        batches = Batches(LENGTHS, settings(shape_dropout=share))
        assert batches.without_shapes(np.arange(len(LENGTHS))).sum() == n


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(normalise_tokenizer(tiny_tokenizer()), WindowSettings(pieces=40), shapes=True)


@pytest.fixture(scope="module")
def corpus(tiny, encoder):
    recipe = tiny.recipe()
    source = Source(recipe.data.train, recipe.data, _scheme())
    return training_corpus(source, encoder, tiny.folder / "cache")


def _scheme():
    from nertune.schemes import SCHEMES

    return SCHEMES["IOB2"]


def collator_of(corpus, encoder, values: TrainingSettings) -> Collator:
    return Collator(encoder, corpus, Batches(np.diff(corpus.window_starts), values))


class TestCollator:
    def test_a_batch_holds_the_windows_with_padding_ignored(self, corpus, encoder):
        collator = collator_of(corpus, encoder, settings())
        windows = [0, 7, 3]
        batch = collator(windows)
        for row, window in enumerate(windows):
            start, end = corpus.window_starts[window], corpus.window_starts[window + 1]
            n = end - start
            assert (batch["input_ids"][row, :n].numpy() == corpus.ids[start:end]).all()
            assert (batch["token_type_ids"][row, :n].numpy() == corpus.types[start:end]).all()
            assert (batch["labels"][row, :n].numpy() == corpus.labels[start:end]).all()
            assert batch["attention_mask"][row].sum() == n
            assert (batch["labels"][row, n:] == IGNORED).all()
        assert {name: values.dtype for name, values in batch.items()} == dict.fromkeys(
            batch, torch.int64
        )
        labelled = int((batch["labels"] != IGNORED).sum())
        assert collator.n_words == labelled == corpus.window_words[windows].sum()

    def test_shapes_are_taken_off_whole_windows(self, corpus, encoder):
        collator = collator_of(corpus, encoder, settings(shape_dropout=0.5))
        windows = list(range(corpus.n_windows))
        types = collator(windows)["token_type_ids"].numpy()
        without = collator.batches.without_shapes(windows)
        assert without.any()
        assert not types[without].any()
        assert types[~without].any(axis=1).all()

    def test_every_word_counts_once_an_epoch(self, corpus, encoder):
        collator = collator_of(corpus, encoder, settings())
        labelled = sum(
            int((collator(batch)["labels"] != IGNORED).sum()) for batch in collator.batches
        )
        assert labelled == collator.n_words == corpus.facts.words


class TestWordLoss:
    def outputs(self, shape=(2, 5, 3)):
        class Outputs:
            logits = torch.randn(shape, generator=torch.Generator().manual_seed(1))

        return Outputs()

    def test_the_mean_over_labelled_pieces(self):
        outputs = self.outputs()
        labels = torch.tensor([[IGNORED, 0, 1, IGNORED, 2], [1, IGNORED, IGNORED, 0, 0]])
        expected = torch.nn.functional.cross_entropy(
            outputs.logits.reshape(-1, 3), labels.reshape(-1), ignore_index=IGNORED
        )
        assert word_loss(outputs, labels) == pytest.approx(expected.item())
        n_items = torch.tensor(12)
        assert word_loss(outputs, labels, n_items) == pytest.approx(expected.item() * 6 / 12)

    def test_a_batch_of_words_without_pieces_is_no_disaster(self):
        labels = torch.full((2, 5), IGNORED)
        assert word_loss(self.outputs(), labels) == 0
        assert word_loss(self.outputs(), labels, torch.tensor(0)) == 0


class Gradients(TrainerCallback):
    """Keeps the gradients of every step, as they are before the weights change."""

    def __init__(self, model) -> None:
        self.model = model
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args, state, control, **_):
        self.steps.append(
            {name: value.grad.clone() for name, value in self.model.named_parameters()
             if value.grad is not None}
        )


def trained(folder, corpus, encoder, values: TrainingSettings):
    """The model and the gradients after an epoch count of one-step epochs."""
    tokenizer = encoder.tokenizer
    model = tiny_model(corpus.tags, tokenizer, seed=5)
    add_shapes(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    gradients = Gradients(model)
    arguments = TrainingArguments(
        str(folder), num_train_epochs=values.epochs, per_device_train_batch_size=1,
        gradient_accumulation_steps=values.accumulation, max_grad_norm=1e9,
        lr_scheduler_type="constant", save_strategy="no", report_to="none", disable_tqdm=True,
        use_cpu=True, logging_strategy="steps", logging_steps=1,
    )  # fmt: skip
    trainer = NerTrainer(
        values, collator_of(corpus, encoder, values), None, model=model, args=arguments,
        callbacks=[gradients],
    )  # fmt: skip
    trainer.train()
    return trainer, model, gradients.steps


def test_accumulated_small_batches_give_the_gradients_and_weights_of_one_big_batch(
    corpus, encoder, tmp_path
):
    whole = settings(epochs=3, batch_pieces=10**6, learning_rate=1e-3)
    n_small = len(collator_of(corpus, encoder, settings(batch_pieces=100)).batches)
    assert n_small > 10
    in_parts = whole.model_copy(update={"batch_pieces": 100, "accumulation": n_small})
    one, model_a, gradients_a = trained(tmp_path / "a", corpus, encoder, whole)
    many, model_b, gradients_b = trained(tmp_path / "b", corpus, encoder, in_parts)
    assert one.state.global_step == many.state.global_step == len(gradients_a) == 3
    for step_a, step_b in zip(gradients_a, gradients_b, strict=True):
        assert step_a.keys() == step_b.keys()
        for name, gradient in step_a.items():
            torch.testing.assert_close(step_b[name], gradient, rtol=1e-4, atol=2e-6, msg=name)
    for (name, a), b in zip(model_a.named_parameters(), model_b.parameters(), strict=True):
        # A bias of keys changes nothing, so its gradient is mere rounding, which Adam blows up.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5, msg=name)
    losses = [[row["loss"] for row in t.state.log_history if "loss" in row] for t in (one, many)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_loss_of_a_step_is_the_mean_over_its_words_also_of_a_shorter_last_one(
    corpus, encoder, tmp_path
):
    collator = collator_of(corpus, encoder, settings(batch_pieces=100))
    batches = [collator(windows) for windows in collator.batches]
    # The weights hardly change, so that every loss is that of the model as it was made.
    values = settings(epochs=1, batch_pieces=100, accumulation=len(batches) - 1,
                      learning_rate=1e-12)
    trainer, model, gradients = trained(tmp_path, corpus, encoder, values)
    assert trainer.state.global_step == len(gradients) == 2
    model.eval()
    expected = []
    for step in (batches[:-1], batches[-1:]):
        n_words = sum((batch["labels"] != IGNORED).sum() for batch in step)
        with torch.no_grad():
            expected.append(sum(
                float(word_loss(model(**{k: v for k, v in batch.items() if k != "labels"}),
                                batch["labels"], n_words))
                for batch in step
            ))
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert losses == pytest.approx(expected, rel=1e-5)


def test_an_adversarial_step_adds_the_gradient_at_embeddings_shifted_against_the_model(
    corpus, encoder, tmp_path
):
    values = settings(epochs=1, batch_pieces=10**6, learning_rate=1e-12, adversarial=0.5)
    plain = values.model_copy(update={"adversarial": 0.0})
    _, model, [clean] = trained(tmp_path / "plain", corpus, encoder, plain)
    collator = collator_of(corpus, encoder, plain)
    batch = collator(next(iter(collator.batches)))
    table = model.get_input_embeddings().weight
    own = clean["bert.embeddings.word_embeddings.weight"]
    with torch.no_grad():
        table += 0.5 * own / own.norm()
    model.zero_grad()
    model.train()
    labels = batch.pop("labels")
    word_loss(model(**batch), labels).backward()
    shifted = {name: value.grad.clone() for name, value in model.named_parameters()}
    _, again, [both] = trained(tmp_path / "adversarial", corpus, encoder, values)
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, clean[name] + shifted[name], rtol=1e-3, atol=1e-6)
    assert any((shifted[name] - clean[name]).abs().max() > 1e-3 for name in clean)
    unshifted = again.get_input_embeddings().weight
    torch.testing.assert_close(unshifted, table - 0.5 * own / own.norm(), rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def groups(corpus, encoder, tmp_path_factory):
    values = settings(learning_rate=1e-4, head_learning_rate=2e-3, weight_decay=0.05)
    model = tiny_model(corpus.tags, encoder.tokenizer)
    add_shapes(model)
    arguments = TrainingArguments(
        str(tmp_path_factory.mktemp("optimizer")), learning_rate=1e-4, weight_decay=0.05,
        report_to="none", use_cpu=True, optim="adamw_torch_fused",
    )  # fmt: skip
    collator = collator_of(corpus, encoder, values)
    trainer = NerTrainer(values, collator, None, model=model, args=arguments)
    names = {id(value): name for name, value in model.named_parameters()}
    found = {}
    for group in trainer.create_optimizer().param_groups:
        for value in group["params"]:
            assert names[id(value)] not in found
            found[names[id(value)]] = (group["lr"], group["weight_decay"])
    assert set(found) == set(names.values())
    return found, head_parameters(model)


class TestOptimizer:
    def test_classifier_and_shapes_have_their_own_rate(self, groups):
        found, heads = groups
        assert heads == {
            "classifier.weight", "classifier.bias", "bert.embeddings.token_type_embeddings.weight",
        }
        assert {name for name, (rate, _) in found.items() if rate == 2e-3} == heads
        assert {rate for rate, _ in found.values()} == {1e-4, 2e-3}

    def test_biases_and_layer_norms_do_not_decay(self, groups):
        found, _ = groups
        plain = {name for name, (_, decay) in found.items() if decay == 0}
        assert plain == {name for name in found if name.endswith("bias") or "LayerNorm" in name}
        assert Counter(decay for _, decay in found.values()).keys() == {0.0, 0.05}

    def test_without_a_rate_of_its_own_the_head_has_the_encoders(self, corpus, encoder, tmp_path):
        values = settings(learning_rate=1e-4)
        model = tiny_model(corpus.tags, encoder.tokenizer)
        arguments = TrainingArguments(str(tmp_path), report_to="none", use_cpu=True)
        collator = collator_of(corpus, encoder, values)
        optimizer = NerTrainer(
            values, collator, None, model=model, args=arguments
        ).create_optimizer()
        assert {group["lr"] for group in optimizer.param_groups} == {1e-4}
