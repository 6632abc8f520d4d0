"""Steps that go wrong on real tensors: left out, kept to look at, rolled back, given up; and then resumed."""

import json
import math

import pytest
import torch
from safetensors.torch import load as parse_tensors
from trainer_bench import RECIPE, RUN, Bench, same_weights

from services.trainer.counters import Counters
from services.trainer.decode import Score, Scored
from services.trainer.guard import MOST_ROLLBACKS, plateau_advice
from services.trainer.metrics import read_metrics
from services.trainer.train import Interrupted, end_epoch
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.forgotten import add_mark
from voxloom.storage import list_all
from voxloom.wer import char_edits, word_edits


def once(*steps):
    """Poison at these steps, until the run was rolled back."""
    return lambda step, mishaps: step in steps and not mishaps.rollbacks


def faults(bench: Bench) -> list[str]:
    return [info.key for info in list_all(bench.store, keys.faults(RUN))]


def test_a_step_that_is_not_finite_changes_no_weight_and_is_kept(tmp_path):
    bench = Bench(tmp_path, poison=once(2))
    seen = {}
    bench.after_step = lambda state: seen.setdefault(
        state.at.step, {name: value.clone() for name, value in state.model.state_dict().items()}
    )
    state = bench.run()
    assert (state.at.mishaps.skipped_steps, state.at.mishaps.skipped_in_row) == (1, 0)
    assert all(
        torch.equal(value, seen[3][name]) for name, value in seen[2].items() if value.is_floating_point()
    )
    assert not all(torch.equal(value, seen[4][name]) for name, value in seen[3].items())
    assert [math.isnan(loss) for loss in bench.losses].index(True) == 2
    record, tensors = (bench.store.get(key) for key in faults(bench))
    told = json.loads(record)
    plan = bench.task.train.batches(0, True)[2]
    clips = bench.task.train.features.clips.clips
    assert [(each["utterance"], each["speed"]) for each in told["utterances"]] == [
        (clips[draw.index].row.utterance, draw.speed) for item in plan for draw in item
    ]
    assert [each["finite"] for each in told["utterances"]] == [
        row > 0 for row, item in enumerate(plan) for _ in item
    ]
    assert told["loss"] == "NaN"
    assert 0 < told["weight_norm"] < 1e6
    kept = parse_tensors(tensors)
    assert torch.isnan(kept["log_mel_RBTF"][:, 0, :4]).all()
    assert kept["lengths_B"].shape == (len(plan),)
    assert any("step 2 is left out" in message for message in bench.messages())


def test_several_in_a_row_go_back_with_a_lower_rate(tmp_path):
    steps = len(Bench(tmp_path / "plan").task.train.batches(0, True))
    bench = Bench(tmp_path / "run", poison=once(steps, steps + 1, steps + 2))  # in the second epoch
    rates = []
    bench.after_step = lambda state: rates.append((state.at.step, state.optimizer.param_groups[0]["lr"]))
    state = bench.run()
    assert state.at.mishaps.rollbacks == 1
    assert state.at.mishaps.skipped_steps == 3
    again = [rate for step, rate in rates if step == steps + 1]
    assert len(again) == 2
    assert again[1] == pytest.approx(again[0] / 2)
    assert [step for step, _ in rates].count(steps) == 1  # not before the last epoch's end
    assert state.at.epoch == RECIPE.epochs
    assert any(f"back from step {steps + 2} to step {steps}" in message for message in bench.messages())
    lines = [line.step for line in read_metrics(bench.store, RUN)]
    assert lines == sorted(lines)


def test_before_the_first_checkpoint_it_goes_back_to_the_fresh_network(tmp_path):
    bench = Bench(tmp_path, poison=once(0, 1, 2))
    state = bench.run()
    assert (state.at.mishaps.rollbacks, state.at.epoch) == (1, RECIPE.epochs)
    untouched = Bench(tmp_path / "other").run()
    assert not same_weights(state, untouched)  # its rate was half as high
    assert len(bench.losses) == 2 + untouched.at.step  # the step that led to it is told by its note


def test_what_no_rollback_mends_fails_with_the_names_of_the_utterances(tmp_path):
    bench = Bench(tmp_path, poison=lambda step, mishaps: step >= 3)
    with pytest.raises(BadInput) as failed:
        bench.run()
    told = str(failed.value)
    record = json.loads(bench.store.get(faults(bench)[-2]))
    assert record["utterances"][0]["utterance"] in told
    for word in ("loss is nan", f"after {MOST_ROLLBACKS} rollbacks", f"runs/{RUN}/faults/", "voxloom forget"):
        assert word in told
    with pytest.raises(BadInput):  # the same again when it is started again
        bench.run()


def test_weights_that_are_not_finite_go_back_at_once_and_are_never_saved(tmp_path):
    bench = Bench(tmp_path)
    bench.checkpoint_every_s = 0.0
    broken = []

    def breaks(state):
        if state.at.step == 6 and not broken:
            broken.append(True)
            with torch.no_grad():
                state.model.head.weight[0, 0] = float("inf")

    bench.after_step = breaks
    state = bench.run()
    assert (state.at.mishaps.rollbacks, state.at.mishaps.skipped_steps) == (1, 1)
    assert all(torch.isfinite(value).all() for value in state.average.state_dict().values())


@pytest.mark.parametrize("every_s", [0.0, 0.35])
def test_a_run_cut_off_anywhere_around_a_rollback_ends_in_the_same_weights(tmp_path, every_s):
    steps = len(Bench(tmp_path / "plan").task.train.batches(0, True))
    poison = once(1, steps, steps + 1, steps + 2)
    whole, cut = Bench(tmp_path / "a", poison=poison), Bench(tmp_path / "b", poison=poison)
    expected = whole.run()
    assert (expected.at.mishaps.rollbacks, expected.at.mishaps.skipped_steps) == (1, 4)
    cut.checkpoint_every_s = every_s
    for number in (1, 2, 1, 1, 1, 2):
        with pytest.raises(Interrupted):
            cut.run(stop_after=number)
    resumed = cut.run()
    assert [loss.hex() for loss in cut.losses] == [loss.hex() for loss in whole.losses]
    assert same_weights(resumed, expected)
    assert resumed.at == expected.at


def test_once_data_was_withdrawn_no_batch_is_kept(tmp_path):
    bench = Bench(tmp_path, poison=once(2))
    add_mark(bench.store, keys.withdrawn(f"runs/{RUN}"), {"train": ["0" * 32]}, "")
    assert bench.run().at.mishaps.skipped_steps == 1
    assert faults(bench) == []


def test_the_plateau_is_told_by_epochs_and_steps_and_not_without_validation(tmp_path):
    assert plateau_advice(Counters(silent_epochs=8, step=100)) == ""  # of few clips an epoch is soon over
    assert plateau_advice(Counters(silent_epochs=7, step=5000)) == ""
    assert "compare them with their texts" in plateau_advice(Counters(silent_epochs=8, step=800))
    bench = Bench(tmp_path)
    with pytest.raises(Interrupted):
        bench.run(stop_after=1)
    silence = Scored("u", "imported", "ab", "", word_edits("ab", ""), char_edits("ab", ""))
    heard = Scored("u", "imported", "ab", "a", word_edits("ab", "a"), char_edits("ab", "a"))
    counts = []
    for scored in (Score([]), Score([silence]), Score([silence, silence]), Score([silence, heard])):
        state, hooks = bench.last_state, bench.last_hooks
        end_epoch(bench.task, state, scored, hooks)
        counts.append(state.at.silent_epochs)
    assert counts == [0, 1, 2, 0]
