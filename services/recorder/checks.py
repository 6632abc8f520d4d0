"""What a good take is, each fault with a reason in words and what to do. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.recorder.hearing import Hearing
from services.recorder.misheard import has_other_words
from services.recorder.quality import num_letters
from services.recorder.usual import Usual
from voxloom import audio
from voxloom.audio import Audio, Fault, Limits
from voxloom.corpora.refusal import printable
from voxloom.errors import BadInput
from voxloom.manifest import AudioLevels, TakeQuality

MAX_LETTERS_PER_S = 25.0  # nobody reads faster, and no model here writes faster (one symbol per 40 ms)
MIN_LETTERS_PER_S = 0.7  # of the speech; a letter spelled slowly, or a Chinese character, takes a second
MIN_LUFS, MAX_LUFS = -50.0, -8.0
MIN_SNR_DB = 12.0
MAX_EDGE_DB = -23.0  # the first and last 20 ms against loud speech: louder, and a word is cut
MAX_CLIPPED = 0.002  # a live take can be read again, so less is tolerated than of an import
MAX_DC = 0.05
MIN_RATE_HZ = 16_000
MAX_EDGE_SILENCE_S, GUIDE_S, MIN_HIGH_BAND_DB = 1.5, 16.0, -60.0  # hints


class Check(StrEnum):
    """Names of faults and hints, kept with a take that was accepted anyway."""

    CLIPPED = "clipped"
    TOO_QUIET = "too_quiet"
    TOO_LOUD = "too_loud"
    NOISY = "noisy"
    NO_QUIET = "no_quiet"
    BEGINNING_CUT = "beginning_cut"
    END_CUT = "end_cut"
    TOO_FAST = "too_fast"
    TOO_SLOW = "too_slow"
    OTHER_PACE = "other_pace"  # not how this speaker reads so much text
    OTHER_SOUND = "other_sound"  # than this speaker's takes have: a bark, a cough
    OTHER_WORDS = "other_words"  # the served model hears another text
    LOW_RATE = "low_rate"
    DC_OFFSET = "dc_offset"
    # Hints: the take is good enough
    SILENCE = "silence"
    LONG = "long"
    NARROW_BAND = "narrow_band"


class Refused(StrEnum):
    """Which faults are a reason to refuse a take that holds speech."""

    SPOILING = "spoiling"  # those that would spoil a training: too short for its text, much clipped
    ALL = "all"  # whoever reads has the sentence still in the ear, and can read it again
    NONE = "none"


HINTS = frozenset({Check.SILENCE, Check.LONG, Check.NARROW_BAND})


@dataclass(frozen=True)
class Finding:
    check: Check
    message: str  # what was found, what was expected, what to do

    @property
    def is_hint(self) -> bool:
        return self.check in HINTS


@dataclass(frozen=True)
class Heard:
    """A take as it was measured."""

    text: str
    levels: AudioLevels
    quality: TakeQuality


@dataclass(frozen=True)
class Pcm16:
    """Shape of raw samples, which carry no header that says it."""

    sample_rate_hz: int
    channels: int


def decode_take(data: bytes, pcm16: Pcm16 | None, limits: Limits) -> Audio:
    """16 kHz mono from a file or from raw samples; BadInput when it cannot be read or goes on too long."""
    if not data:
        raise BadInput("the take has no audio (0 bytes); record it again")
    if pcm16 is None:
        return audio.decode(data, max_seconds=limits.max_s)
    if len(data) > limits.max_s * pcm16.sample_rate_hz * pcm16.channels * 2 > 0:
        raise BadInput(f"the take is longer than {limits.max_s:g} s; read one sentence at a time")
    return audio.decode_pcm16(data, pcm16.sample_rate_hz, pcm16.channels)


def refuse_useless(clip: Audio, levels: AudioLevels, limits: Limits) -> None:
    """BadInput for what nobody can overrule: there is no speech in it, or training could not hold it."""
    fault = audio.find_fault(clip, levels, limits)
    if fault is not None and fault is not Fault.CLIPPED:
        raise BadInput(_explain(fault, levels, limits))


def find_faults(heard: Heard, usual: Usual | None = None, hearing: Hearing | None = None) -> list[Finding]:
    """Everything that is wrong with a take, hints last. `usual`: the speaker's takes, where that is known;
    `hearing`: of the model in production, where it listened."""
    found = [
        *_of_level(heard),
        *_of_edges(heard, usual),
        *_of_text(heard, usual),
        *_of_sound(heard.quality, usual),
        *_of_words(hearing),
        *_of_device(heard),
        *_hints(heard),
    ]
    return [Finding(check, message) for check, message in found]


def _of_level(heard: Heard) -> Iterator[tuple[Check, str]]:
    levels, quality = heard.levels, heard.quality
    if levels.clipped_fraction > MAX_CLIPPED:
        yield (
            Check.CLIPPED,
            f"the take is clipped: {levels.clipped_fraction:.1%} of its samples are at full scale, at most "
            f"{MAX_CLIPPED:.1%} are allowed; lower the input level and record it again",
        )
    if quality.loudness_lufs < MIN_LUFS:
        yield (
            Check.TOO_QUIET,
            f"the take is very quiet ({quality.loudness_lufs:.0f} LUFS, at least {MIN_LUFS:g} are needed); "
            "raise the input level or come nearer to the microphone",
        )
    if quality.loudness_lufs > MAX_LUFS:
        yield (
            Check.TOO_LOUD,
            f"the take is very loud ({quality.loudness_lufs:.0f} LUFS, at most {MAX_LUFS:g} are wanted); "
            "lower the input level",
        )
    if quality.snr_db < MIN_SNR_DB:
        yield (
            Check.NOISY,
            f"there is much noise in the take: speech is only {quality.snr_db:.0f} dB above it, at least "
            f"{MIN_SNR_DB:g} dB are needed; switch off fans, shut the window, come nearer to the microphone",
        )


def _of_edges(heard: Heard, usual: Usual | None) -> Iterator[tuple[Check, str]]:
    quality = heard.quality
    if min(quality.first_level_db, quality.last_level_db) > MAX_EDGE_DB:
        yield (
            Check.NO_QUIET,
            "neither before nor after the words is it quiet: there is noise all the time, or both ends are "
            "missing; look for a quieter place, and wait a moment before and after reading",
        )
    elif quality.first_level_db > MAX_EDGE_DB:
        yield (
            Check.BEGINNING_CUT,
            "the take begins in the middle of a word; start to record, wait a moment, then read",
        )
    elif quality.last_level_db > MAX_EDGE_DB:
        yield Check.END_CUT, "the take ends in the middle of a word; wait a moment before you stop"
    elif usual is not None and usual.is_broken_off(heard.text, quality):
        yield (
            Check.END_CUT,
            "the end seems to be missing: the take ends louder than yours do, and sooner than so much text; "
            "read all of it, and wait a moment before you stop",
        )


def _of_text(heard: Heard, usual: Usual | None) -> Iterator[tuple[Check, str]]:
    letters, duration_s = num_letters(heard.text), heard.levels.duration_s
    if letters > MAX_LETTERS_PER_S * duration_s:
        yield (
            Check.TOO_FAST,
            f"the take is {duration_s:.2f} s long, too short for a prompt of {letters} letters; it seems cut "
            "off, or sent with a wrong sample rate: record the whole sentence",
        )
    elif heard.quality.letters_per_s < MIN_LETTERS_PER_S:
        yield (
            Check.TOO_SLOW,
            f"{heard.quality.speech_s:.1f} s of speech for {letters} letters: more seems to be said than the "
            "prompt, or it was sent with a wrong sample rate; read the prompt alone",
        )
    elif usual is not None and not usual.pace.fits(heard.text, heard.quality):
        ratio = usual.pace.ratio(heard.text, heard.quality)
        what = "much more text than you" if ratio > 1 else "much less text than you"
        yield (
            Check.OTHER_PACE,
            f"the prompt has {what} usually read in {heard.quality.speech_s:.1f} s ({ratio:.1f} times); is "
            "it what was read, and all of it?",
        )


def _of_sound(quality: TakeQuality, usual: Usual | None) -> Iterator[tuple[Check, str]]:
    if usual is None or usual.sound is None or quality.voice is None:
        return
    if not usual.sound.fits(quality.voice):
        yield (
            Check.OTHER_SOUND,
            "something sounds in the take that is not in your others (a dog, a cough, a click?); listen to "
            "it, and read the prompt again if so",
        )


def _of_words(hearing: Hearing | None) -> Iterator[tuple[Check, str]]:
    if hearing is None or hearing.usual is None:
        return
    if has_other_words(hearing.prompt, hearing.text, hearing.usual):
        text = printable(hearing.text, 200)
        yield (
            Check.OTHER_WORDS,
            f"the model in production heard {text!r}, which is another text than the prompt; it usually errs "
            f"in {hearing.usual.rate:.0%}: read the prompt as it stands, or correct it",
        )


def _of_device(heard: Heard) -> Iterator[tuple[Check, str]]:
    rate_hz = heard.levels.source_sample_rate_hz
    if rate_hz < MIN_RATE_HZ:
        yield (
            Check.LOW_RATE,
            f"the take was recorded at {rate_hz} Hz; at least {MIN_RATE_HZ} Hz are needed for an s to sound "
            "other than an f: set the rate of the device",
        )
    if abs(heard.quality.dc_offset) > MAX_DC:
        yield (
            Check.DC_OFFSET,
            f"the signal is off its middle by {heard.quality.dc_offset:+.2f} (at most {MAX_DC:g} are "
            "tolerated): the sound card or its cable has a fault, try another one",
        )


def _hints(heard: Heard) -> Iterator[tuple[Check, str]]:
    quality = heard.quality
    if (silence_s := max(quality.leading_silence_s, quality.trailing_silence_s)) > MAX_EDGE_SILENCE_S:
        yield Check.SILENCE, f"{silence_s:.1f} s of silence around the words; less than a second is enough"
    if heard.levels.duration_s > GUIDE_S:
        yield (
            Check.LONG,
            f"{heard.levels.duration_s:.0f} s are long for a sentence; 5 to {GUIDE_S:g} s train best",
        )
    if quality.high_band_db < MIN_HIGH_BAND_DB and heard.levels.source_sample_rate_hz >= MIN_RATE_HZ:
        yield (
            Check.NARROW_BAND,
            "nothing above 4 kHz is heard, as on a telephone; a headset over Bluetooth does that, a cable "
            "does not",
        )


def _explain(fault: Fault, levels: AudioLevels, limits: Limits) -> str:
    match fault:
        case Fault.EMPTY:
            return "the take has no samples; record it again"
        case Fault.TOO_SHORT:
            return f"the take is {levels.duration_s:.2f} s long, at least {limits.min_s:g} s are needed"
        case Fault.TOO_LONG:
            return (
                f"the take is {levels.duration_s:.1f} s long, at most {limits.max_s:g} s are allowed; "
                "read one sentence at a time"
            )
        case _:  # silent
            return (
                f"nobody is heard in the take (peak {levels.peak_dbfs:.0f} dBFS, mean "
                f"{levels.rms_dbfs:.0f} dBFS); check the microphone and its level"
            )
