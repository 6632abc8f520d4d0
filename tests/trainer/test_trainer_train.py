"""What a run is asked to do, and its metrics."""

import json
import math
from dataclasses import replace

import pytest
from trainer_maker import make_dataset

from services.trainer.config import TrainerConfig
from services.trainer.decode import Score
from services.trainer.metrics import Metrics, MetricsLog, read_metrics
from services.trainer.recipes import RECIPES, choose, named, override, recipe_from_dict
from services.trainer.runs import refuse_lossy, refuse_pruned, submit
from services.trainer.servicer import TrainerServicer
from voxloom import keys
from voxloom.errors import BadInput, NotReady
from voxloom.forgotten import add_mark
from voxloom.jobs import Jobs
from voxloom.storage import FolderStore

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
HAN = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))


def test_silence_is_recognised_as_the_plateau():
    assert Score([]).says_nothing


def test_metrics_after_the_checkpoint_are_cut_off_on_resume(tmp_path):
    store, _, _ = make_dataset(tmp_path)
    log = MetricsLog(store, "r-test", 0, lambda line: None)
    for step in (1, 2, 3):
        log.epoch(Metrics(step=step))
    log.flush()
    resumed = MetricsLog(store, "r-test", 2, lambda line: None)
    resumed.epoch(Metrics(step=3, loss=9.0))
    resumed.flush()
    assert [(line.step, line.loss) for line in read_metrics(store, "r-test")] == [(1, 0), (2, 0), (3, 9.0)]


@pytest.mark.parametrize(
    ("hours", "name"), [(0.0, "tiny"), (4.99, "tiny"), (5.0, "small"), (50.0, "base"), (1e3, "large")]
)
def test_the_recipe_follows_the_hours_and_says_why(hours, name):
    recipe, reason = choose(hours, ALPHABET)
    assert recipe.name == name
    assert name in reason


@pytest.mark.parametrize(
    ("hours", "alphabet", "asked", "pieces", "says"),
    [
        (49.9, ALPHABET, None, 0, "characters, as under 50 hours"),
        (50.0, ALPHABET, None, 500, "500 pieces of words, as under 1000 hours"),
        (1e3, ALPHABET, None, 1000, "1000 pieces of words, as from 1000 hours on"),
        (1e3, HAN, None, 0, "characters, of which its writing has 4000"),
        (1e3, ALPHABET, 0, 0, "characters were asked for"),
        (1.0, ALPHABET, 80, 80, "80 pieces of words were asked for"),
        (1e3, HAN, 5000, 5000, "5000 pieces of words were asked for"),
    ],
)
def test_the_units_follow_hours_and_alphabet_and_the_reason_says_so(hours, alphabet, asked, pieces, says):
    recipe, reason = choose(hours, alphabet, "", asked)
    assert recipe.pieces == pieces
    assert reason.endswith(f"; {says}")
    named_, reason = choose(hours, alphabet, "smoke", asked)
    assert named_ == replace(RECIPES["smoke"], pieces=pieces)
    assert reason == f"recipe 'smoke' was asked for; {says}"


@pytest.mark.parametrize(
    ("alphabet", "pieces", "least"), [(ALPHABET, 52, 53), (HAN, 4000, 4001), ("ab", -1, 3)]
)
def test_pieces_that_cannot_hold_the_alphabet_are_refused(alphabet, pieces, least):
    with pytest.raises(BadInput, match=f"{pieces} pieces were asked for; expected {least} to 10000"):
        choose(1.0, alphabet, "", pieces)
    with pytest.raises(BadInput, match="expected"):
        choose(1.0, alphabet, "", 10_001)


def test_other_units_are_another_run(tmp_path):
    """What was chosen and the same asked for are one."""
    store, dataset, _ = make_dataset(tmp_path)
    jobs = Jobs(store)
    ids = [
        submit(store, jobs, dataset, "smoke", seed=1, budget_minutes=2, pieces=pieces).run
        for pieces in (None, 0, 9)
    ]
    assert ids == ["r-tones-smoke-s1-2min", "r-tones-smoke-s1-2min", "r-tones-smoke-p9-s1-2min"]
    servicer = TrainerServicer(TrainerConfig(), store, jobs, lambda: None)
    assert [servicer._get(run).pieces for run in ids] == [0, 0, 9]


def test_a_run_of_the_first_release_goes_on_as_it_began():
    first = RECIPES["smoke"].to_dict()
    for name in ("consistency_weight", "chunk_probability", "chunk_frames", "own_share", "own_repeats"):
        del first[name]
    for name in ("room_probability", "tempo", "tract", "concatenate", "concatenated_s", "easy_above_cer"):
        del first[name]
    del first["pieces"]
    for name in ("skip", "left_frames", "blank_bias"):
        del first["model"][name]
    recipe = recipe_from_dict(json.loads(json.dumps({**first, "mask_below_cer": 0.5})))
    assert recipe.easy_above_cer == 0.5
    assert (recipe.consistency_weight, recipe.chunk_probability, recipe.model.skip) == (0, 0, 0)
    assert recipe.units == "characters"
    assert (recipe.tempo, recipe.tract, recipe.concatenate, recipe.own_share) == (0, 0, 0, 0)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_survives_run_json(recipe):
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_unknown_recipes_and_fields_are_named():
    with pytest.raises(BadInput, match="'huge' is unknown; there are smoke, tiny"):
        named("huge")
    with pytest.raises(BadInput, match="fields colour do not exist"):
        override(RECIPES["tiny"], {"colour": 1})


def test_only_faults_count_as_loss(tmp_path):
    _, held_out, _ = make_dataset(tmp_path / "a", dropped={"sentence_in_val_or_test": 6})
    refuse_lossy(held_out, RECIPES["tiny"])
    _, lossy, _ = make_dataset(tmp_path / "b", dropped={"sentence_in_val_or_test": 6, "silent": 2})
    with pytest.raises(NotReady, match=r"lost 17% .* 2 silent"):
        refuse_lossy(lossy, RECIPES["tiny"])
    refuse_lossy(
        lossy.model_copy(update={"max_dropped_fraction": 0.9}), RECIPES["tiny"]
    )  # its build allowed it


def test_a_dataset_without_its_shards_is_not_trained_on(tmp_path):
    store, dataset, _ = make_dataset(tmp_path)
    refuse_pruned(store, dataset)
    store.delete(dataset.splits["val"].shards[0])
    with pytest.raises(NotReady, match=r"no shards any more \(.*val-00000\.tar is gone.*dataset build"):
        refuse_pruned(store, dataset)


def test_a_curve_that_was_scrubbed_is_not_written_back(tmp_path):
    store = FolderStore(tmp_path)
    log = MetricsLog(store, "r-test", 0, lambda line: None)
    log.epoch(Metrics(step=1, example_reference="what she said", example_hypothesis="what he heard"))
    log.flush()
    assert read_metrics(store, "r-test")[0].example_reference
    add_mark(store, keys.withdrawn("runs/r-test"), {"val": ["0" * 32]}, "")
    log.flush()  # in mid-epoch, or at the end of the run
    [line] = read_metrics(store, "r-test")
    assert (line.example_reference, line.example_hypothesis) == ("", "")


def test_a_run_says_how_much_of_its_data_was_withdrawn(tmp_path):
    store, dataset, _ = make_dataset(tmp_path)
    jobs = Jobs(store)
    run = submit(store, jobs, dataset, "smoke", seed=0, budget_minutes=0).run
    servicer = TrainerServicer(TrainerConfig(), store, jobs, lambda: None)
    assert [each.withdrawn_utterances for each in servicer._list()] == [0]
    add_mark(store, keys.withdrawn(f"runs/{run}"), {"train": ["a" * 32], "val": ["b" * 32]}, "")
    assert [each.withdrawn_utterances for each in servicer._list()] == [2]
    assert servicer._get(run).withdrawn_utterances == 2


def test_a_diverged_loss_is_written_as_json_and_read_again(tmp_path):
    store, _, _ = make_dataset(tmp_path)
    log = MetricsLog(store, "r-test", 0, lambda line: None)
    log.epoch(Metrics(step=1, loss=float("nan"), gradient_norm=float("inf")))
    log.flush()
    line = store.get("runs/r-test/metrics.jsonl")
    assert json.loads(line, parse_constant=pytest.fail)["schema_version"] == 1
    [read] = read_metrics(store, "r-test")
    assert math.isnan(read.loss)
    assert read.gradient_norm == math.inf


def test_lines_without_a_version_are_read(tmp_path):
    store, _, _ = make_dataset(tmp_path)
    store.put(
        "runs/r-test/metrics.jsonl", b'{"step": 1, "loss": NaN, "val_wer": null}\n{"step": 2, "x": 1}\n'
    )
    assert [line.step for line in read_metrics(store, "r-test")] == [1, 2]
