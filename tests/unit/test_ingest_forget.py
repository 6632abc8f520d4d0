"""Forgetting: nothing of what was withdrawn stays, and what held it says so."""

import pytest
from forget_world import CURVE, NEVER_STORED, World, of_them, places
from ingest_corpora import objects

from services.ingest.forget import KIND
from services.ingest.lookup import look_up
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import num_withdrawn, read_forgotten
from voxloom.reviews import Review, Reviews, read_reviews
from voxloom.speakers import SpeakerRecord
from voxloom.storage import exists, write_model


def test_nothing_of_a_speaker_stays_and_what_held_it_is_marked(world: World) -> None:
    gone, kept = world.utterances("village-s1"), world.utterances("village-s2")
    assert len(gone) == 2
    words = world.words(*gone)
    assert {each.partition("/")[0] for each in places(world.store, [NEVER_STORED])} == {"imports", "jobs"}
    assert "manifests" in {each.partition("/")[0] for each in places(world.store, ["clips/99.wav"])}
    assert {each.partition("/")[0] for each in places(world.store, words)} == {
        "raw",
        "manifests",
        "imports",
        "jobs",
        "runs",
        "models",
    }
    kept_before = of_them(world.store, kept)
    result = world.forget(speakers=["village-s1"])
    assert places(world.store, [*words, "village-s1", NEVER_STORED, "clips/99.wav"]) == []
    assert of_them(world.store, kept) == kept_before
    assert world.store.get("runs/r-1/metrics.jsonl").startswith(CURVE.splitlines(keepends=True)[0])
    assert objects(world.store, keys.faults("r-1")) == {}
    assert world.jobs.get("train", "r-1").error == "training gave up; the utterances were withdrawn since"
    left = world.store.get(keys.run_utterances("r-1")).decode()
    assert all(name in left for name in kept)
    assert not exists(world.store, keys.run_summary("r-1"))
    assert all(name in world.store.get(keys.run_suspects("r-1")).decode() for name in kept)
    assert (result["deleted"], result["datasets"]) == (2, {world.dataset.dataset: 2})
    assert (result["runs"], result["models"]) == (["r-1"], ["m-1"])
    for folder in (f"manifests/{world.dataset.dataset}", "runs/r-1", "models/m-1"):
        assert num_withdrawn(world.store, keys.withdrawn(folder)) == 2
    before, after = world.dataset, world.build()
    assert after.dataset != before.dataset
    assert num_withdrawn(world.store, keys.withdrawn(f"manifests/{after.dataset}")) == 0


def test_one_utterance(world: World) -> None:
    gone, *others = world.utterances()
    words = world.words(gone)
    assert world.forget(utterances=[gone])["deleted"] == 1
    assert places(world.store, words) == []
    assert set(world.utterances()) == set(others)
    assert read_forgotten(world.store).covers("imported", "anyone", gone)


def test_what_is_not_there_or_not_clear_is_said(world: World) -> None:
    with pytest.raises(NotFound, match="no utterance u-none"):
        world.ask(utterances=["u-none"])
    with pytest.raises(NotFound, match="nothing is stored of speaker 'nobody'"):
        world.ask(speakers=["nobody"])
    with pytest.raises(NotFound, match="nothing is stored of speaker 'nobody'"):
        world.ask(speakers=["nobody", "s1"])
    for key, content in objects(world.store, "raw/imported/village-s1/").items():
        world.store.put(key.replace("imported", "user_recorded"), content)
    with pytest.raises(BadInput, match="2 speakers are called 'village-s1': imported/village-s1, user_rec"):
        world.ask(speakers=["village-s1", "s2"])
    with pytest.raises(BadInput, match="expected 1 to"):
        world.ask()
    found = world.ask(speakers=["imported/village-s1"], dry_run=True)
    assert [(each.speaker, each.utterances) for each in found.speakers] == [("village-s1", 2)]
    assert world.jobs.list(KIND) == []


def test_the_same_wish_twice_is_one_job(world: World) -> None:
    world.ask(speakers=["s1"])
    world.ask(speakers=["s1"])
    assert len(world.jobs.list(KIND)) == 1


def test_what_was_deleted_without_being_forgotten_still_has_copies(world: World) -> None:
    gone, *_ = world.utterances()
    words = world.words(gone)
    for clip in look_up(world.store, [gone], []).clips:
        world.store.delete(keys.raw_record(*vars(clip).values()))
        world.store.delete(keys.raw_audio(*vars(clip).values()))
    result = world.forget(utterances=[gone])
    assert (result["deleted"], result["datasets"]) == (0, {world.dataset.dataset: 1})
    assert [
        place for place in places(world.store, words) if not place.startswith(("imports/", "jobs/"))
    ] == []


def test_what_a_speaker_skipped_goes_with_the_speaker_and_only_theirs(world: World) -> None:
    for source, speaker in (("user_recorded", "ada"), ("user_recorded", "ada-b"), ("imported", "zoe")):
        world.store.put(keys.raw_record(source, speaker, "u-9"), b"{}")
        world.store.put(keys.progress(speaker, "english"), b"{}")
    world.forget(speakers=["user_recorded/ada"])
    left = list(objects(world.store, "progress/"))
    assert left == [keys.progress("ada-b", "english"), keys.progress("zoe", "english")]


def test_what_a_speaker_agreed_to_and_what_was_thought_of_them_goes_too(world: World) -> None:
    for speaker in ("ada", "bob"):
        for number in (1, 2):
            world.store.put(keys.raw_record("user_recorded", speaker, f"u-{speaker}{number}"), b"{}")
        judged = {f"u-{speaker}{number}": Review(verdict="accepted", at="") for number in (1, 2)}
        reviews = Reviews(speaker=speaker, takes=judged, chosen={"p": f"u-{speaker}1"})
        write_model(world.store, keys.reviews(speaker), reviews)
        register(world, speaker)
    world.forget(speakers=["user_recorded/ada"])
    assert places(world.store, ["/ada", '"ada"', "u-ada", "Ada Z"]) == []
    world.forget(utterances=["u-bob1"])
    left = read_reviews(world.store, "bob")
    assert (list(left.takes), left.chosen) == (["u-bob2"], {})
    assert exists(world.store, keys.speaker("bob"))


def test_who_has_recorded_nothing_yet_can_be_forgotten_by_name(world: World) -> None:
    register(world, "zoe")
    found = world.ask(speakers=["Zoe Z"], dry_run=True)
    assert [(each.source, each.speaker, each.utterances) for each in found.speakers] == [
        ("user_recorded", "zoe", 0)
    ]
    world.forget(speakers=["Zoe Z"])
    assert not exists(world.store, keys.speaker("zoe"))
    assert read_forgotten(world.store).covers("user_recorded", "zoe", "")


def register(world: World, speaker: str) -> None:
    record = SpeakerRecord(
        speaker=speaker,
        name=f"{speaker.title()} Z",
        language="en",
        licence="",
        consent="yes",
        consented_at="",
    )
    write_model(world.store, keys.speaker(speaker), record)
