"""Shards to batches: nothing lost, the same for the same seed, hostile shards refused."""

import io
import json
import tarfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from trainer_maker import make_dataset, utterance, withdraw

from services.trainer.augment import add_noise, add_room, coloured_noises, recorded_noises, warp
from services.trainer.clips import Clip, Clips, load_split, read_shard
from services.trainer.data import Features, training_data
from services.trainer.model import SUBSAMPLING
from services.trainer.planning import Draw, Item, encoder_frames, group_by_length
from services.trainer.recipes import RECIPES
from voxloom.audio import encode_flac, encode_wav
from voxloom.errors import BadInput
from voxloom.features import fbank
from voxloom.tokenizer import CharTokenizer

TOKENIZER = CharTokenizer.from_alphabet(" abcdefghijklmnopqrstuvwxyz")
RECIPE = replace(RECIPES["smoke"], batch_s=6.0)


def clips_of(seconds: list[float], text: str = "ab") -> Clips:
    rng = np.random.default_rng(1)
    counts = [int(each * 16000) for each in seconds]
    starts = np.cumsum([0, *counts])
    rows = [Clip(utterance(f"u{i}", text, each), int(starts[i]), counts[i]) for i, each in enumerate(seconds)]
    return Clips(rows, [rng.integers(-3000, 3000, int(starts[-1])).astype(np.int16)])


def no_progress(done: int, total: int) -> None:
    pass


def test_load_split_gives_back_every_sample(tmp_path):
    store, dataset, audio = make_dataset(tmp_path / "store", clips=5)
    split = load_split(store, dataset, "train", tmp_path, no_progress)
    assert [clip.row.utterance for clip in split.clips] == sorted(audio)
    for index, clip in enumerate(split.clips):
        np.testing.assert_allclose(split.waveform(index), audio[clip.row.utterance], atol=1 / 32768)


def test_load_split_misses_no_clip_silently(tmp_path):
    store, dataset, _ = make_dataset(tmp_path / "store", clips=3)
    more = dataset.splits["train"].model_copy(update={"utterances": 4})
    lying = dataset.model_copy(update={"splits": {**dataset.splits, "train": more}})
    with pytest.raises(BadInput, match=r"hold 3 utterances, dataset\.json says 4, 0 of them withdrawn"):
        load_split(store, lying, "train", tmp_path, no_progress)


def test_load_split_lacks_what_was_withdrawn_and_no_more(tmp_path):
    store, dataset, _ = make_dataset(tmp_path / "store", clips=5)
    withdraw(store, dataset, "train-001", "val-000")
    split = load_split(store, dataset, "train", tmp_path, no_progress)
    assert [clip.row.utterance[-3:] for clip in split.clips] == ["000", "002", "003", "004"]
    assert load_split(store, dataset, "val", tmp_path, no_progress).clips == []
    more = dataset.splits["train"].model_copy(update={"utterances": 6})
    lying = dataset.model_copy(update={"splits": {**dataset.splits, "train": more}})
    with pytest.raises(BadInput, match=r"hold 4 utterances, dataset\.json says 6, 1 of them withdrawn"):
        load_split(store, lying, "train", tmp_path, no_progress)


@pytest.mark.parametrize("kind", ["link", "alone", "rate"])
def test_hostile_shards_are_refused(kind):
    row = utterance("u0", "a", 1.0).model_dump_json().encode()
    members = {"u0.json": row, "u0.flac": encode_flac(np.zeros(1600, np.float32))}
    if kind == "rate":
        stream = io.BytesIO()
        import soundfile

        soundfile.write(stream, np.zeros((800, 2)), 8000, format="FLAC")
        members["u0.flac"] = stream.getvalue()
    if kind == "alone":
        del members["u0.flac"]
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if kind == "link":
            info = tarfile.TarInfo("u1.json")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    shard.seek(0)
    with pytest.raises(BadInput, match="shard-0"):
        list(read_shard(shard, "shard-0"))


def test_batches_hold_every_clip_once_within_the_limit_and_repeat_with_the_seed():
    clips = clips_of([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.7, 9.0])
    data, _ = training_data(clips, TOKENIZER, RECIPE, seed=3)
    batches = data.batches(2, easy=False)
    items = [item for batch in batches for item in batch]
    assert sorted(draw.index for item in items for draw in item) == list(range(8))
    for batch in batches:
        longest = max(length_s(clips, item) for item in batch)
        assert len(batch) == 1 or longest * len(batch) <= RECIPE.batch_s
    assert data.batches(2, easy=False) == batches
    assert data.batches(3, easy=False) != batches


@pytest.mark.parametrize(("own", "others", "times"), [(2, 6, 2), (8, 2, 1), (1, 40, 4), (3, 0, 1), (0, 3, 1)])
def test_own_recordings_are_repeated_until_they_count(own, others, times):
    clips = clips_of([1.0] * (own + others))
    for index, clip in enumerate(clips.clips[:own]):
        row = clip.row.model_copy(update={"source": "user_recorded"})
        clips.clips[index] = replace(clip, row=row)
    data, _ = training_data(clips, TOKENIZER, RECIPE, seed=3)
    items = [item for batch in data.batches(0, easy=False) for item in batch]
    found = Counter(draw.index for item in items for draw in item)
    assert found == {**dict.fromkeys(range(own), times), **dict.fromkeys(range(own, own + others), 1)}


def length_s(clips: Clips, item: Item) -> float:
    return sum(clips.clips[draw.index].duration_s / draw.speed for draw in item)


def test_neighbours_are_joined_to_long_utterances_and_to_texts_with_a_space_between():
    clips = clips_of([1.0, 2.0, 3.0] * 20, text="ab")
    joining = replace(RECIPE, concatenate=0.5, concatenated_s=7.0)
    data, _ = training_data(clips, TOKENIZER, joining, seed=3)
    items = [item for batch in data.batches(0, easy=False) for item in batch]
    assert sorted(draw.index for item in items for draw in item) == list(range(60))
    assert {1, 2, 3} <= {len(item) for item in items}
    for item in items:
        assert len(item) == 1 or length_s(clips, item) <= 7.0
        batch = data.load([item], 0, easy=True)
        assert TOKENIZER.decode(batch.targets_BU[0].tolist()) == " ".join(["ab"] * len(item))


def test_a_batch_depends_on_seed_and_step_alone():
    noisy = replace(RECIPE, noise_probability=1.0, room_probability=0.5)
    first, second = (training_data(clips_of([1.0, 1.2]), TOKENIZER, noisy, 3)[0] for _ in range(2))
    draws = [(Draw(0, 1.0),), (Draw(1, 0.9),)]
    first.load(draws, 1, easy=False)  # one has a past, the other has none
    for easy in (False, True):
        one, same, other = (
            data.load(draws, step, easy).log_mel_RBTF for data, step in ((first, 7), (second, 7), (first, 8))
        )
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


def test_masks_cover_bands_and_stretches_only():
    data, _ = training_data(clips_of([3.0]), TOKENIZER, RECIPE, 3)
    plain, masked = (data.load([(Draw(0, 1.0),)], 5, each).log_mel_RBTF for each in (True, False))
    assert (len(plain), len(masked)) == (1, 2)
    assert len(data.load([(Draw(0, 1.0),)], 5, easy=False, one_view=True).log_mel_RBTF) == 1
    assert not torch.equal(masked[0], masked[1])
    changed = plain[0] != masked[0]
    whole = changed[0].all(dim=0)[None, :] | changed[0].all(dim=1)[:, None]
    assert 0 < changed.float().mean() < 0.9
    assert (whole | ~changed[0]).float().mean() > 0.99


def test_what_ctc_cannot_learn_is_counted():
    clips = clips_of([1.0, 0.2, 1.0, 40.0], text="aabbccdd")
    data, refused = training_data(clips, TOKENIZER, RECIPE, seed=3)
    assert refused == 2
    assert [clip.row.utterance for clip in data.features.clips.clips] == ["u0", "u2"]


def test_nothing_to_learn_is_an_error():
    with pytest.raises(BadInput, match="none of 1 training clips"):
        training_data(clips_of([0.1], text="abcdefgh"), TOKENIZER, RECIPE, seed=3)


def test_a_faster_draw_never_makes_a_text_infeasible():
    fast = replace(RECIPE, speeds=(2.0,))
    data, _ = training_data(clips_of([0.5, 0.5], text="abcdefghij"), TOKENIZER, fast, seed=3)
    assert {draw.speed for batch in data.batches(0, easy=False) for item in batch for draw in item} == {1.0}
    swift = replace(RECIPE, tempo=0.5)
    data, _ = training_data(clips_of([0.5, 0.5], text="abcdefghij"), TOKENIZER, swift, seed=3)
    for step in range(20):
        for items in data.batches(step, easy=False):
            assert min(data.load(items, step, True).lengths_B) >= 4 * 10


@pytest.mark.parametrize("num_samples", [160, 1234, 15999, 16000, 16001, 123456])
def test_encoder_frames_are_the_models(num_samples):
    frames = len(fbank(np.zeros(num_samples, np.float32)))
    assert encoder_frames(num_samples) == -(-frames // SUBSAMPLING)


def test_kept_features_are_the_servers_features_within_half_precision():
    clips = clips_of([1.0])
    features = Features(clips, RECIPE)
    served = fbank(clips.waveform(0))
    for _ in range(2):
        np.testing.assert_allclose(features.clean(Draw(0, 1.0)), served, rtol=1e-3, atol=5e-3)


def test_one_clip_longer_than_a_batch_is_a_batch():
    groups = list(group_by_length([Draw(0, 1.0), Draw(1, 1.0)], np.array([1.0, 99.0]), 6.0))
    assert groups == [[Draw(0, 1.0)], [Draw(1, 1.0)]]


def test_rows_of_a_shard_are_json(tmp_path):
    store, dataset, _ = make_dataset(tmp_path / "store", clips=1)
    with (
        store.open(dataset.splits["train"].shards[0]) as shard,
        tarfile.open(fileobj=shard, mode="r|") as tar,
    ):
        texts = [
            json.loads(tar.extractfile(member).read())["text"]
            for member in tar
            if member.name.endswith("json")
        ]
    assert texts == ["ab c"]


def test_recorded_noises_are_heard_and_what_is_none_is_left_out(tmp_path, caplog):
    tone = np.sin(np.arange(8000) / 3).astype(np.float32)
    (tmp_path / "rain").mkdir()
    (tmp_path / "rain" / "one.wav").write_bytes(encode_wav(0.1 * tone))
    (tmp_path / "two.flac").write_bytes(b"no audio")
    (tmp_path / "notes.txt").write_text("rain, by night")
    (noise,) = recorded_noises(tmp_path)
    np.testing.assert_allclose(noise, np.sqrt(2) * tone, atol=1e-2)
    assert "two.flac" in caplog.text
    with pytest.raises(BadInput, match="no audio that can be decoded"):
        recorded_noises(tmp_path / "nowhere")


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_power_that_it_should(snr_db):
    random = np.random.default_rng(1)
    speech = (0.1 * np.sin(np.arange(40_000) / 5)).astype(np.float32)
    added = add_noise(speech, coloured_noises(1, count=3), (snr_db, snr_db), random) - speech
    assert 10 * np.log10(np.square(speech).mean() / np.square(added).mean()) == pytest.approx(snr_db, abs=0.1)


def test_a_room_adds_what_comes_after_and_no_level():
    click = np.zeros(16_000, np.float32)
    click[4000] = 0.9
    heard = add_room(click, np.random.default_rng(2))
    assert np.abs(heard[:3990]).max() < 1e-5
    assert np.abs(heard[4001:]).max() > 0.01
    assert np.abs(heard).max() <= 1.0


def test_warping_moves_times_by_the_tempo_and_bins_by_the_tract():
    ramp = np.arange(100, dtype=np.float32)[:, None] + 1000 * np.arange(80, dtype=np.float32)[None, :]
    np.testing.assert_allclose(warp(ramp, 1.0, 1.0), ramp)
    faster = warp(ramp, 1.25, 1.0)
    assert faster.shape == (80, 80)
    np.testing.assert_allclose(faster[[0, -1]], ramp[[0, -1]])
    moved = warp(ramp, 1.0, 1.1)
    np.testing.assert_allclose(moved[:, 77], ramp[:, 70], rtol=1e-5)
