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
from services.recorder.quality import measure_quality, pace_of, spoken_length
from services.recorder.takes import Takes
from voxloom import audio, loudness
from voxloom.audio import Audio, Limits, Samples
from voxloom.bus import MemoryBus
from voxloom.errors import BadInput
from voxloom.manifest import TakeQuality
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
    assert b.loudness_lufs == pytest.approx(a.loudness_lufs + 20 * math.log10(factor), abs=0.3)


@pytest.mark.parametrize("length", [1, 159, 400, 401, 6399])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_short_and_constant_sounds_are_measured_too(length: int, value: float) -> None:
    found = measure_quality(np.full(length, value, np.float32), "go")
    assert all(math.isfinite(each) for each in found.model_dump().values())


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
