"""Messages of inference.proto to values, and back."""

from collections.abc import Iterable

from services.inference.batch import Piece
from services.inference.encodings import Declared, Encoding
from services.inference.options import Options
from services.inference.streaming import Result
from voxloom.decode import Hypothesis, Word
from voxloom.errors import BadInput
from voxloom.v1 import audio_pb2
from voxloom.v1 import inference_pb2 as pb

_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_UNSPECIFIED: Encoding.PACKED,
    audio_pb2.AUDIO_ENCODING_PCM16: Encoding.PCM16,
    audio_pb2.AUDIO_ENCODING_MULAW: Encoding.MULAW,
    audio_pb2.AUDIO_ENCODING_ALAW: Encoding.ALAW,
}


def declared(audio_format: audio_pb2.AudioFormat) -> Declared:
    """PACKED for files with a header."""
    encoding = _ENCODINGS.get(audio_format.encoding)
    if encoding is None:
        raise BadInput(
            f"format.encoding {audio_format.encoding} is not known; expected PCM16, MULAW or ALAW of "
            "AudioEncoding, or none for a file with a header"
        )
    return Declared(encoding, audio_format.sample_rate_hz, audio_format.channels or 1)


def options_of(options: pb.RecognitionOptions) -> Options:
    hot_words = [(each.phrase, each.boost) for each in options.hot_words]
    return Options(hot_words, options.max_alternatives)


def words_of(words: Iterable[Word]) -> list[audio_pb2.Word]:
    return [
        audio_pb2.Word(
            text=word.text,
            start_ms=round(1000 * word.start_s),
            end_ms=round(1000 * word.end_s),
            confidence=word.confidence,
        )
        for word in words
    ]


def alternatives_of(best: Hypothesis) -> list[pb.Alternative]:
    """All texts with the best one in front, or nothing where it is the only one."""
    return [
        pb.Alternative(text=each.text, words=words_of(each.words), confidence=each.confidence)
        for each in ((best, *best.alternatives) if best.alternatives else ())
    ]


def stream_response(result: Result, model: str) -> pb.StreamingRecognizeResponse:
    heard = result.hypothesis
    return pb.StreamingRecognizeResponse(
        text=heard.text,
        words=words_of(heard.words),
        confidence=heard.confidence,
        is_final=result.is_final,
        start_ms=result.start_ms,
        end_ms=result.end_ms,
        model=model,
        stability=result.stability,
        alternatives=alternatives_of(heard),
    )


def piece_response(piece: Piece, total_s: float) -> pb.BatchRecognizeResponse:
    heard = piece.hypothesis
    return pb.BatchRecognizeResponse(
        piece=pb.BatchPiece(
            text=heard.text,
            words=words_of(heard.words),
            confidence=heard.confidence,
            alternatives=alternatives_of(heard),
            start_ms=piece.start_ms,
            end_ms=piece.end_ms,
            total_ms=round(1000 * total_s),
        )
    )
