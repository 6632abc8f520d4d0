"""Each check finds what it is there for in real speech that was spoiled, and nothing in what was not."""

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from services.recorder.checks import Check, Heard, Refused, find_faults, refuse_useless
from services.recorder.labels import check_labels
from services.recorder.ledger import Ledger
from services.recorder.quality import measure_quality, spoken_length
from services.recorder.takes import Takes
from services.recorder.usual import Ending, Pace, Sound, Usual, pace_of, usual_of
from voxloom import audio, loudness
from voxloom.audio import Audio, Limits, Samples
from voxloom.bus import MemoryBus
from voxloom.errors import BadInput
from voxloom.manifest import TakeQuality, VoiceMeasures
from voxloom.storage import FolderStore

AN4 = Path(__file__).parents[2] / "examples" / "an4"


def real_takes(step: int) -> Iterator[tuple[str, Audio]]:
    with (AN4 / "manifest.tsv").open(encoding="utf-8") as file:
        for row in list(csv.DictReader(file, delimiter="\t"))[::step]:
            yield row["text"], audio.decode((AN4 / row["path"]).read_bytes())


TAKES = list(real_takes(24))  # 45 of many speakers


def faults(text: str, samples: Samples, rate_hz: int = 16000) -> set[Check]:
    """Without hints, and without a pace."""
    clip = Audio(samples.astype(np.float32), rate_hz, 1)
    levels = audio.measure(clip)
    refuse_useless(clip, levels, Limits())
    found = find_faults(Heard(text, levels, measure_quality(clip.samples, text)))
    assert all(len(each.message) > 30 for each in found)
    return {each.check for each in found if not each.is_hint}


def overdriven(samples: Samples) -> Samples:
    return np.clip(4 * samples / np.max(np.abs(samples)), -1, 1)


def noisy(samples: Samples) -> Samples:
    noise = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    return samples + noise * np.sqrt(np.mean(samples**2) / 10**0.5)


def off_middle(samples: Samples) -> Samples:
    return samples / 2 + 0.1


def quiet(samples: Samples) -> Samples:
    return samples * 10 ** ((-55 - loudness.integrated(samples, 16000)) / 20)


def loud(samples: Samples) -> Samples:
    return np.tanh(samples * 10 ** ((1 - loudness.integrated(samples, 16000)) / 20)) * 0.99


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_loudness_is_that_of_the_standard(rate_hz: int) -> None:
    """ITU-R BS.1770-4: a sine of 997 Hz at full scale in one channel is at -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * rate_hz) / rate_hz)
    assert loudness.integrated(sine, rate_hz) == pytest.approx(-3.01, abs=0.01)
    assert loudness.integrated(sine / 10, rate_hz) == pytest.approx(-23.01, abs=0.01)
    padded = np.concatenate([np.zeros(20 * rate_hz), sine / 10, np.zeros(20 * rate_hz)])
    # 47 blocks are full; of the six at the edges, of 1/4, 1/2 and 3/4, the gate lets all pass, and no others.
    gated = -23.01 + 10 * math.log10(50 / 53)
    assert loudness.integrated(padded, rate_hz) == pytest.approx(gated, abs=0.02)
    assert loudness.integrated(np.zeros(rate_hz), rate_hz) == loudness.SILENCE_LUFS
    assert math.isfinite(loudness.integrated(sine[:10], rate_hz))


def test_few_real_takes_are_refused() -> None:
    """AN4 was cut tightly, so some of its words do begin or end too early."""
    refused = [found for text, clip in TAKES if (found := faults(text, clip.samples))]
    assert len(refused) <= 0.1 * len(TAKES), refused
    assert set().union(*refused) <= {Check.BEGINNING_CUT, Check.END_CUT, Check.TOO_FAST}


@pytest.mark.parametrize(
    ("spoil", "check", "share"),
    [
        (overdriven, Check.CLIPPED, 1.0),
        (noisy, Check.NOISY, 0.95),
        (off_middle, Check.DC_OFFSET, 1.0),
        (quiet, Check.TOO_QUIET, 1.0),
        (loud, Check.TOO_LOUD, 0.95),
        (lambda samples: samples[: int(0.5 * len(samples))], Check.END_CUT, 0.6),
        (lambda samples: samples[int(0.5 * len(samples)) :], Check.BEGINNING_CUT, 0.6),
    ],
    ids=["clipped", "noisy", "dc", "quiet", "loud", "end", "beginning"],
)
def test_what_is_spoiled_is_found(spoil: Callable[[Samples], Samples], check: Check, share: float) -> None:
    found = [check in faults(text, spoil(clip.samples)) for text, clip in TAKES if clip.duration_s > 1.5]
    assert sum(found) >= share * len(found)


def test_a_low_rate_is_refused_and_a_telephones_band_is_told() -> None:
    text, clip = TAKES[0]
    assert faults(text, clip.samples, 8000) == {Check.LOW_RATE}
    narrow = soxr.resample(soxr.resample(clip.samples, 16000, 8000), 8000, 16000)
    heard = Heard(text, audio.measure(Audio(narrow, 16000, 1)), measure_quality(narrow, text))
    assert [(each.check, each.is_hint) for each in find_faults(heard)] == [(Check.NARROW_BAND, True)]


@pytest.mark.parametrize("factor", [1.0, 0.02])
def test_measures_do_not_depend_on_the_level(factor: float) -> None:
    text, clip = TAKES[1]
    a, b = measure_quality(clip.samples, text), measure_quality(clip.samples * np.float32(factor), text)
    for name in ("snr_db", "leading_silence_s", "speech_s", "first_level_db", "high_band_db"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=0.05)
    assert a.voice is not None
    assert b.voice is not None
    assert b.voice.model_dump() == pytest.approx(a.voice.model_dump(), abs=0.05)
    assert b.loudness_lufs == pytest.approx(a.loudness_lufs + 20 * math.log10(factor), abs=0.3)


@pytest.mark.parametrize("length", [1, 159, 400, 401, 6399])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_short_and_constant_sounds_are_measured_too(length: int, value: float) -> None:
    found = measure_quality(np.full(length, value, np.float32), "go")
    assert found.voice is not None
    numbers = found.model_dump(exclude={"voice"}) | found.voice.model_dump()
    assert all(math.isfinite(each) for each in numbers.values())


def quality(speech_s: float) -> TakeQuality:
    text, clip = TAKES[0]
    return measure_quality(clip.samples, text).model_copy(update={"speech_s": speech_s})


class TestPace:
    def test_it_is_known_after_twenty_takes(self) -> None:
        takes = [("abcdefghij", quality(1.0))] * 20
        assert pace_of(takes[1:]) is None
        pace = pace_of(takes)
        assert pace is not None
        assert pace.fits("abcdefghij", quality(1.2))
        for other_s in (0.7, 1.4):
            assert not pace.fits("abcdefghij", quality(other_s))
        assert pace.ratio("abcdefghij", quality(0.5)) == pytest.approx(2)

    def test_who_spells_and_reads_may_do_both(self) -> None:
        takes = [("abcdefghij", quality(each)) for each in (1.0, 4.0) * 10]
        pace = pace_of(takes)
        assert pace is not None
        assert pace.fits("abcdefghij", quality(1.0))
        assert pace.fits("abcdefghij", quality(4.0))

    def test_commas_take_time(self) -> None:
        assert spoken_length("no, no, it's 5") == 2 + 3 + 2 + 3 + 3
        assert spoken_length("向左走。") == 3 + 3


def with_sound(samples: Samples, sound: Samples, snr_db: float = 5) -> Samples:
    """The sound once, in the middle, its energy so far below that of the take."""
    ratio = np.sum(samples**2) / np.sum(sound**2) / 10 ** (snr_db / 10)
    begin = (len(samples) - len(sound)) // 2
    return samples + np.pad(sound * np.sqrt(ratio), (begin, len(samples) - len(sound) - begin))


def crow() -> Samples:
    """0.3 s of a voice no grown-up speaks with: 700 Hz with overtones."""
    time_s = np.arange(4800) / 16000
    return np.sum([np.sin(2 * np.pi * 700 * k * time_s) / k for k in (1, 2, 3)], axis=0) * np.hanning(4800)


def cough() -> Samples:
    """0.2 s of noise that dies away."""
    noise = np.random.default_rng(0).standard_normal(3200)
    return noise * np.exp(-np.arange(3200) / 800)


@pytest.fixture(scope="module")
def spoken() -> list[tuple[str, Samples]]:
    """Of one voice: 14 takes, and the same a little faster, for twenty are needed to know it."""
    with (AN4 / "manifest.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["speaker"] == "an4-flrp"]
    clips = [(row["text"], audio.decode((AN4 / row["path"]).read_bytes()).samples) for row in rows]
    return [*clips, *((text, soxr.resample(samples, 16000, 15200)) for text, samples in clips)]


class TestSound:
    # Who spells S and Z has much without a pitch, so that half of the coughs pass.
    @pytest.mark.parametrize(("sound", "share"), [(crow(), 0.7), (cough(), 0.4)], ids=["crow", "cough"])
    def test_what_no_other_take_of_the_speaker_has_is_found(
        self, spoken: list[tuple[str, Samples]], sound: Samples, share: float
    ) -> None:
        usual = usual_of((text, measure_quality(samples, text)) for text, samples in spoken)
        assert usual is not None
        found = {False: list[bool](), True: list[bool]()}
        for text, samples in spoken:
            for spoiled, heard in ((False, samples), (True, with_sound(samples, sound))):
                clip = Audio(heard.astype(np.float32), 16000, 1)
                taken = Heard(text, audio.measure(clip), measure_quality(clip.samples, text))
                checks = {each.check for each in find_faults(taken, usual)}
                found[spoiled].append(Check.OTHER_SOUND in checks)
        assert np.mean(found[True]) > share
        assert np.mean(found[False]) < 0.1

    def test_takes_of_a_release_that_measured_no_sound_tell_of_none(self) -> None:
        old = [("abcdefghij", quality(1.0).model_copy(update={"voice": None}))] * 20
        usual = usual_of(old)
        assert usual is not None
        assert usual.sound is None
        one_measured = usual_of([*old, ("abcdefghij", quality(1.0))] * 20)
        assert one_measured is not None
        assert one_measured.sound is not None

    def test_less_than_usual_is_no_other_sound(self) -> None:
        sound = Sound(usual=(0.1, 0.1, 3.0, -15.0), deviations=(0.01, 0.01, 1.0, 1.0))
        less = VoiceMeasures(high_pitch=0.0, no_pitch=0.0, loudest_db=0.0, mid_band_db=-40.0)
        assert sound.fits(less)
        assert not sound.fits(less.model_copy(update={"high_pitch": 0.17}))
        assert not sound.fits(less.model_copy(update={"loudest_db": 9.5}))
        assert not sound.fits(
            VoiceMeasures(high_pitch=0.12, no_pitch=0.12, loudest_db=4.0, mid_band_db=-13.0)
        )


def test_an_end_in_a_quiet_place_is_told_by_level_and_text_together() -> None:
    usual = Usual(Pace(math.log(10), 2.6 * 0.1), Ending(usual_db=-40.0, deviation_db=3.0), None)

    def is_cut(speech_s: float, last_level_db: float) -> bool:
        measured = quality(speech_s).model_copy(update={"last_level_db": last_level_db})
        return usual.is_broken_off("abcdefghij", measured)

    assert is_cut(0.8, -31.0)  # 2.2 and 3 deviations
    assert not is_cut(0.8, -39.0)
    assert not is_cut(1.0, -25.0)
    assert not is_cut(1.25, -25.0)


class TestOverruling:
    """A recorder with a folder store."""

    @pytest.fixture
    def takes(self, tmp_path: Path, quick_disk: None) -> Iterator[Takes]:
        store, bus = FolderStore(tmp_path), MemoryBus()
        yield Takes(store, bus, Limits(), Ledger(store))
        bus.close()

    def test_a_fault_is_told_and_can_be_overruled_which_is_kept(self, takes: Takes) -> None:
        text, clip = TAKES[2]
        labels, bad = check_labels(text, "Ada", ""), audio.encode_wav(overdriven(noisy(clip.samples)))
        for refused in (Refused.ALL, Refused.SPOILING):
            with pytest.raises(BadInput, match=r"clipped: .*lower the input level.*; there is much noise"):
                takes.add(labels, bad, None, refused)
        stored = takes.add(labels, bad, None, Refused.NONE)
        assert {"clipped", "noisy"} <= set(stored.record.accepted_anyway)
        assert takes.add(
            labels, bad, None, Refused.ALL
        ).already_stored  # sent again, by a client that was not told
        assert stored.record.quality is not None
        good = takes.add(labels, audio.encode_wav(clip.samples), None, Refused.NONE)
        assert good.record.accepted_anyway == []

    def test_a_fault_that_spoils_no_training_is_told_unless_a_person_can_read_again(
        self, takes: Takes
    ) -> None:
        text, clip = TAKES[2]
        labels, bad = check_labels(text, "Ada", ""), audio.encode_wav(noisy(clip.samples))
        with pytest.raises(BadInput, match="there is much noise"):
            takes.add(labels, bad, None, Refused.ALL)
        stored = takes.add(labels, bad, None)
        assert "noisy" in stored.record.accepted_anyway
        assert any("much noise" in each.message for each in stored.findings)

    def test_a_take_too_short_for_its_text_is_refused_unless_everything_is_accepted(
        self, takes: Takes
    ) -> None:
        text, clip = TAKES[2]
        labels = check_labels(" ".join([text] * 8), "Ada", "")
        with pytest.raises(BadInput, match="too short for a prompt"):
            takes.add(labels, audio.encode_wav(clip.samples), None)
        assert (
            "too_fast"
            in takes.add(labels, audio.encode_wav(clip.samples), None, Refused.NONE).record.accepted_anyway
        )

    def test_silence_is_never_a_take(self, takes: Takes) -> None:
        silence = audio.encode_wav(np.zeros(32000, np.float32))
        with pytest.raises(BadInput, match="nobody is heard"):
            takes.add(check_labels("go left", "Ada", ""), silence, None, Refused.NONE)

    def test_the_wrong_text_is_noticed_once_the_speaker_is_known(self, takes: Takes) -> None:
        store = takes._store
        usable = [
            (text, clip) for text, clip in real_takes(8) if len(text) > 12 and not faults(text, clip.samples)
        ]
        paces = sorted(usable, key=lambda each: spoken_length(each[0]) / each[1].duration_s)
        for text, clip in paces[len(paces) // 2 - 14 : len(paces) // 2 + 14]:
            takes.add(check_labels(text, "Ada", ""), audio.encode_wav(clip.samples), None)
        text, clip = paces[len(paces) // 2]
        known = Takes(store, MemoryBus(), Limits(), Ledger(store))
        wav = audio.encode_wav(clip.samples)
        for_ada = known.check(check_labels(f"{text} {text}", "Ada", ""), wav, None)
        with pytest.raises(BadInput, match="much more text than you usually read"):
            for_ada.refuse_faults()
        known.check(check_labels(f"{text} {text}", "Bob", ""), wav, None).refuse_faults()
