import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voices import encoded, hiss, speech

from voxloom.audio import (
    Audio,
    Fault,
    Limits,
    StreamResampler,
    decode,
    decode_pcm16,
    encode_flac,
    encode_wav,
    find_fault,
    measure,
)
from voxloom.errors import BadInput

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)
FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("RF64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("MP3", None),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
]


def audio_of(samples: np.ndarray) -> Audio:
    return Audio(samples.astype(np.float32), 16000, 1)


def fault_of(samples: np.ndarray, limits: Limits | None = None) -> Fault | None:
    audio = audio_of(samples)
    return find_fault(audio, measure(audio), limits)


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_every_format_decodes_to_the_same_speech(container: str, subtype: str | None, rate_hz: int) -> None:
    mono = speech(1.5, rate_hz=rate_hz)
    audio = decode(encoded(np.stack([mono, mono], 1), container, subtype, rate_hz))
    assert (audio.source_sample_rate_hz, audio.source_channels) == (rate_hz, 2)
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == pytest.approx(1.5, abs=0.001)
    clean = decode(encoded(mono, "WAV", "FLOAT", rate_hz)).samples
    assert np.corrcoef(audio.samples, clean)[0, 1] > 0.98


def test_sixteen_bit_audio_survives_unchanged_through_wav_and_flac() -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    samples = decode_pcm16(pcm.tobytes(), 16000, 1).samples
    for encode in (encode_wav, encode_flac):
        assert np.array_equal(decode(encode(samples)).samples, samples)
    assert np.array_equal(np.round(samples * 32768).astype(np.int16), pcm)


def test_samples_beyond_full_scale_are_clipped_not_wrapped() -> None:
    loud = decode(encode_wav(np.array([2.0, -2.0, 0.5] * 400, np.float32))).samples
    assert (loud.max(), loud.min()) == (np.float32(32767 / 32768), -1.0)
    assert np.abs(decode(encoded(speech() * 30, "WAV", "FLOAT")).samples).max() <= 1


@pytest.mark.parametrize("num_samples", [0, 1, 16001])
def test_a_wav_is_what_the_standard_library_writes(num_samples: int) -> None:
    samples = np.linspace(-1, 1, num_samples, dtype=np.float32)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, num_samples, "NONE", ""))
        file.writeframes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    assert encode_wav(samples) == out.getvalue()


def test_channels_are_averaged() -> None:
    left, right = speech(0.5, seed=1), speech(0.5, seed=2)
    both = decode(encoded(np.stack([left, right], 1), "WAV", "FLOAT")).samples
    assert np.allclose(both, (left + right) / 2, atol=1e-6)


@quick
@given(
    data=st.data(), rate_hz=st.sampled_from([8000, 16000, 22050, 44100, 48000]), channels=st.integers(1, 2)
)
def test_a_stream_in_any_pieces_equals_the_whole(data: st.DataObject, rate_hz: int, channels: int) -> None:
    pcm = (np.random.default_rng(3).standard_normal(4000 * channels) * 8000).astype("<i2").tobytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pcm)), max_size=8)))
    stream = StreamResampler(rate_hz, channels)
    pieces = [stream.push(pcm[a:b]) for a, b in zip([0, *cuts], [*cuts, len(pcm)], strict=True)]
    streamed = np.concatenate([*pieces, stream.finish()])
    assert np.array_equal(streamed, decode_pcm16(pcm, rate_hz, channels).samples)
    assert len(streamed) == pytest.approx(4000 * 16000 / rate_hz, abs=1)


def test_a_stream_at_16_khz_is_not_delayed() -> None:
    assert len(StreamResampler(16000, 1).push(b"\0\0" * 160)) == 160


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"hello, world", "text"),
        (b"<!doctype html><html>", "HTML"),
        (b'{"error": "not found"}', "JSON"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "WebM"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "M4A"),
        (b"FORM\0\0\0\0AIFF", "AIFF"),
        (b"\xff\xf1\x50\x80\0\0\0\0", "AAC"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\0" * 100, "unknown format"),
        (b"fLaC" + b"\0" * 50, "FLAC"),
        (b"OggS" + b"\0" * 60, "Ogg"),
        (b"ID3\x04\0\0\0\0\0\0" + b"\0" * 50, "MP3"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "ends before its data"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        decode(data)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_cut_wav_is_refused_with_the_seconds_found_and_expected(subtype: str) -> None:
    whole = encoded(speech(2.0), "WAV", subtype)
    with pytest.raises(BadInput, match=r"truncated.*1\.00 of 2\.00 s"):
        decode(whole[: len(whole) // 2 + 40])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFD3])
def test_a_streamed_wav_whose_writer_knew_no_length_is_read_whole(size: int) -> None:
    samples = decode(encode_wav(speech(1.0))).samples
    whole = bytearray(encode_wav(samples))
    struct.pack_into("<I", whole, 4, min(size + 36, 0xFFFFFFFF))
    struct.pack_into("<I", whole, whole.index(b"data") + 4, size)
    assert np.array_equal(decode(bytes(whole)).samples, samples)


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", None), ("MP3", None), ("OGG", "OPUS"), ("OGG", "VORBIS")]
)
def test_a_cut_file_of_any_format_is_refused(container: str, subtype: str | None) -> None:
    whole = encoded(speech(6.0), container, subtype)
    for share in (0.3, 0.5, 0.7):
        with pytest.raises(BadInput, match=r"truncated|damaged|no samples"):
            decode(whole[: int(len(whole) * share)])


def test_the_limit_holds_whatever_the_header_says() -> None:
    minute_of_silence = encoded(np.zeros(60 * 16000, np.float32), "FLAC")
    assert len(minute_of_silence) < 50_000
    with pytest.raises(BadInput, match="longer than 10 s"):
        decode(minute_of_silence, max_seconds=10)
    assert decode(minute_of_silence, max_seconds=60).duration_s == 60


def test_a_header_that_lies_about_rate_or_channels_is_refused() -> None:
    for offset, value, said in (
        (24, 1, "sample rate"),
        (24, 4_000_000, "sample rate"),
        (22, 200, "channels"),
    ):
        wav = bytearray(encode_wav(speech(1.0)))
        struct.pack_into("<I" if offset == 24 else "<H", wav, offset, value)
        with pytest.raises(BadInput, match=f"{said}|cannot be decoded"):
            decode(bytes(wav))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_refused(value: float) -> None:
    samples = speech(1.0)
    samples[5000] = value
    with pytest.raises(BadInput, match="not numbers"):
        decode(encoded(samples, "WAV", "FLOAT"))


def test_float_samples_of_any_size_stay_within_full_scale() -> None:
    huge = np.stack([speech(0.5, rate_hz=8000), speech(0.5, rate_hz=8000, seed=1)], 1) * np.float32(3e38)
    samples = decode(encoded(huge, "WAV", "FLOAT", 8000)).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3", "OGG"])
def test_an_empty_recording_is_refused(container: str) -> None:
    with pytest.raises(BadInput):
        decode(encoded(np.zeros(0, np.float32), container))


@quick
@given(st.data())
def test_damaged_bytes_give_audio_or_bad_input_and_nothing_else(data: st.DataObject) -> None:
    container = data.draw(st.sampled_from(["WAV", "FLAC", "OGG"]))
    damaged = bytearray(encoded(speech(0.3), container))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, min(len(damaged) - 1, 200)))] = data.draw(st.integers(0, 255))
    try:
        audio = decode(bytes(damaged), max_seconds=5)
    except BadInput:
        return
    assert np.isfinite(audio.samples).all()


def test_pcm_that_is_no_whole_number_of_frames_is_refused() -> None:
    with pytest.raises(BadInput, match="2-channel"):
        decode_pcm16(b"\0" * 6, 16000, 2)
    with pytest.raises(BadInput, match="no samples"):
        decode_pcm16(b"", 16000, 1)
    with pytest.raises(BadInput, match="sample rate"):
        StreamResampler(0, 1)


def test_levels_of_a_known_tone() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    levels = measure(audio_of(tone))
    assert levels.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert levels.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert (levels.duration_s, levels.clipped_fraction) == (1.0, 0.0)
    silence = measure(audio_of(np.zeros(16000)))
    assert (silence.peak_dbfs, silence.rms_dbfs) == (-120.0, -120.0)


def test_clipping_is_counted_in_the_source_before_resampling() -> None:
    loud = np.clip(speech(2.0, rate_hz=48000) * 20, -1, 1)
    quiet_side = np.stack([loud, np.zeros_like(loud)], 1)
    levels = measure(decode(encoded(quiet_side, "WAV", rate_hz=48000)))
    assert levels.clipped_fraction == pytest.approx(np.mean(np.abs(loud) >= 0.999), rel=0.01)
    assert levels.clipped_fraction > 0.05


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (np.zeros(0), Fault.EMPTY),
        (speech(0.1), Fault.TOO_SHORT),
        (speech(36.0), Fault.TOO_LONG),
        (np.zeros(32000), Fault.SILENT),
        (np.full(32000, 0.3), Fault.SILENT),  # an offset, not a sound
        (hiss(60, 0.001), Fault.SILENT),
        (hiss(3, 0.005), Fault.SILENT),
        (0.02 * np.sin(2 * np.pi * 50 * np.arange(48000) / 16000), Fault.SILENT),  # mains hum
        (np.clip(speech(2.0) * 20, -1, 1), Fault.CLIPPED),
        (speech(2.0), None),
        (speech(2.0, level=0.003), None),  # a whisper far from the microphone
        (hiss(3, 0.002) + np.pad(speech(0.5, level=0.02), (20000, 20000)), None),  # a word in a noisy pause
        (np.pad(speech(0.5, level=0.05), (0, 16000 * 33)), None),  # a word, then half a minute of nothing
    ],
)
def test_faults(samples: np.ndarray, fault: Fault | None) -> None:
    assert fault_of(samples) == fault


def test_a_click_in_silence_is_still_silence() -> None:
    samples = hiss(5, 0.0002)
    samples[40000:40100] = 0.8
    assert fault_of(samples) == Fault.SILENT


def test_limits_are_the_callers() -> None:
    assert fault_of(speech(3.0), Limits(max_s=2.0)) == Fault.TOO_LONG
    assert fault_of(speech(0.2), Limits(min_s=0.1)) is None
