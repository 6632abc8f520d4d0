"""Mixtures that come from outside: presets, files and messages, good and hostile."""

from pathlib import Path

import pytest

from services.ingest.messages import build_spec
from voxloom.cli.mixes import mix_message, read_mix
from voxloom.errors import BadInput
from voxloom.mix import PRESETS, Mix, Share, mix_of
from voxloom.v1 import ingest_pb2

WHOLE = """
name: mine
seed: 3
sources:
  own: {min: 10, max: 20, max_hours: 1.5, fraction: 0.5}
  commonvoice: {corpora: [cv-20], languages: [en, de]}
"""


def through_the_wire(mix: Mix) -> Mix | None:
    sent = ingest_pb2.BuildDatasetRequest(mix=mix_message(mix)).SerializeToString()
    return build_spec(ingest_pb2.BuildDatasetRequest.FromString(sent)).mix


@pytest.mark.parametrize(
    "mix", [*PRESETS.values(), Mix(name="none", sources={"tts": Share(max=0, fraction=0.125)})]
)
def test_a_mix_arrives_as_it_was_sent(mix: Mix) -> None:
    assert through_the_wire(mix) == mix


def test_a_file_is_a_mix(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(WHOLE)
    mix = read_mix(str(path))
    assert mix
    assert mix.sources["own"] == Share(min=10, max=20, max_hours=1.5, fraction=0.5)
    assert through_the_wire(mix) == mix
    assert (mix.wants("commonvoice", "cv-20", "de"), mix.wants("commonvoice", "cv-19")) == (True, False)
    assert not mix.wants("imported")


def test_names_of_mixes() -> None:
    assert read_mix("all") is None
    assert read_mix("hybrid") == PRESETS["hybrid"]
    with pytest.raises(BadInput, match=r"mix 'half' is unknown; expected all, hybrid, own\+tts"):
        read_mix("half")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: x\nsources: {own: {maximum: 3}}", "source own has no maximum; expected min, max"),
        ("name: x\nsources: {own: {min: 5, max: 3}}", "max 3 is less than min 5"),
        ("name: x\nsources: {radio: {min: 5}}", "'own', 'commonvoice', 'tts' or 'imported'"),
        ("name: x\nsources: {own: {min: -1}}", "greater than or equal to 0"),
        ("name: x\nsources: {own: {max_hours: .nan}}", "finite"),
        ("name: x\nsources: {own: {fraction: 0}}", "greater than 0"),
        ("name: x\nsources: {own: {fraction: 1.5}}", "less than or equal to 1"),
        ("name: x\nsources: {}", "at least 1"),
        ("sources: {own: {}}", "name: Field required"),
        ("name: '\x1b[2J'\nsources: {own: {}}", "not YAML"),
        ("- 1", "is a list"),
        ("", "is a NoneType"),
        ("{" * 50_000, "nested"),
        ("a: &a [x]\nb: *a", "aliases"),
        ("name: !!python/object/apply:os.system [true]", "not YAML"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=why) as refused:
        read_mix(str(path))
    assert "\n" not in str(refused.value)
    assert "bad.yaml" in str(refused.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_mix("nowhere.yaml")


@pytest.mark.parametrize("allowed", [-0.1, 1.1, float("nan")])
def test_the_share_that_may_be_lost_is_one(allowed: float) -> None:
    with pytest.raises(BadInput, match="expected 0 to 1"):
        build_spec(ingest_pb2.BuildDatasetRequest(max_dropped=allowed))


def test_what_is_not_said_is_everything_and_a_tenth() -> None:
    spec = build_spec(ingest_pb2.BuildDatasetRequest())
    assert (spec.mix, spec.max_dropped) == (None, 0.1)
    assert build_spec(ingest_pb2.BuildDatasetRequest(max_dropped=0)).max_dropped == 0


def test_fields_that_a_newer_release_may_add_are_passed_over_in_records() -> None:
    kept = {"name": "x", "sources": {"own": {"max": 1, "new": 2}}, "new": 3}
    assert Mix.model_validate(kept).sources == {"own": Share(max=1)}
    with pytest.raises(BadInput, match="has no new"):
        mix_of(kept)
