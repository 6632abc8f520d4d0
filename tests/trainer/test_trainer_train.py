"""What a run is asked to do, and its metrics."""

import json
import math

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
    recipe, reason = choose(hours)
    assert recipe.name == name
    assert name in reason


def test_a_run_of_the_first_release_goes_on_as_it_began():
    first = RECIPES["smoke"].to_dict()
    for name in ("consistency_weight", "chunk_probability", "chunk_frames", "own_share", "own_repeats"):
        del first[name]
    for name in ("room_probability", "tempo", "tract", "concatenate", "concatenated_s", "easy_above_cer"):
        del first[name]
    for name in ("skip", "left_frames", "blank_bias"):
        del first["model"][name]
    recipe = recipe_from_dict(json.loads(json.dumps({**first, "mask_below_cer": 0.5})))
    assert recipe.easy_above_cer == 0.5
    assert (recipe.consistency_weight, recipe.chunk_probability, recipe.model.skip) == (0, 0, 0)
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
