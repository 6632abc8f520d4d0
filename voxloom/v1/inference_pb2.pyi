from voxloom.v1 import audio_pb2 as _audio_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HotWord(_message.Message):
    __slots__ = ("phrase", "boost")
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    phrase: str
    boost: float
    def __init__(self, phrase: _Optional[str] = ..., boost: _Optional[float] = ...) -> None: ...

class RecognitionOptions(_message.Message):
    __slots__ = ("hot_words", "max_alternatives", "model")
    HOT_WORDS_FIELD_NUMBER: _ClassVar[int]
    MAX_ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    hot_words: _containers.RepeatedCompositeFieldContainer[HotWord]
    max_alternatives: int
    model: str
    def __init__(self, hot_words: _Optional[_Iterable[_Union[HotWord, _Mapping]]] = ..., max_alternatives: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("text", "words", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    words: _containers.RepeatedCompositeFieldContainer[_audio_pb2.Word]
    confidence: float
    def __init__(self, text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[_audio_pb2.Word, _Mapping]]] = ..., confidence: _Optional[float] = ...) -> None: ...

class RecognizeRequest(_message.Message):
    __slots__ = ("format", "audio", "options")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    format: _audio_pb2.AudioFormat
    audio: bytes
    options: RecognitionOptions
    def __init__(self, format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., audio: _Optional[bytes] = ..., options: _Optional[_Union[RecognitionOptions, _Mapping]] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("text", "words", "confidence", "audio_s", "compute_s", "model", "alternatives")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    text: str
    words: _containers.RepeatedCompositeFieldContainer[_audio_pb2.Word]
    confidence: float
    audio_s: float
    compute_s: float
    model: str
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    def __init__(self, text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[_audio_pb2.Word, _Mapping]]] = ..., confidence: _Optional[float] = ..., audio_s: _Optional[float] = ..., compute_s: _Optional[float] = ..., model: _Optional[str] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("format", "interim_results", "options", "pause_s")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    INTERIM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_S_FIELD_NUMBER: _ClassVar[int]
    format: _audio_pb2.AudioFormat
    interim_results: bool
    options: RecognitionOptions
    pause_s: float
    def __init__(self, format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., interim_results: bool = ..., options: _Optional[_Union[RecognitionOptions, _Mapping]] = ..., pause_s: _Optional[float] = ...) -> None: ...

class StreamingRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: StreamingConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class StreamingRecognizeResponse(_message.Message):
    __slots__ = ("text", "words", "confidence", "is_final", "start_ms", "end_ms", "model", "stability", "alternatives")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    text: str
    words: _containers.RepeatedCompositeFieldContainer[_audio_pb2.Word]
    confidence: float
    is_final: bool
    start_ms: int
    end_ms: int
    model: str
    stability: float
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    def __init__(self, text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[_audio_pb2.Word, _Mapping]]] = ..., confidence: _Optional[float] = ..., is_final: bool = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., model: _Optional[str] = ..., stability: _Optional[float] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ...) -> None: ...

class BatchConfig(_message.Message):
    __slots__ = ("format", "options")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    format: _audio_pb2.AudioFormat
    options: RecognitionOptions
    def __init__(self, format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., options: _Optional[_Union[RecognitionOptions, _Mapping]] = ...) -> None: ...

class BatchRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: BatchConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[BatchConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class BatchRecognizeResponse(_message.Message):
    __slots__ = ("piece", "summary")
    PIECE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    piece: BatchPiece
    summary: BatchSummary
    def __init__(self, piece: _Optional[_Union[BatchPiece, _Mapping]] = ..., summary: _Optional[_Union[BatchSummary, _Mapping]] = ...) -> None: ...

class BatchPiece(_message.Message):
    __slots__ = ("text", "words", "confidence", "alternatives", "start_ms", "end_ms", "total_ms")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    text: str
    words: _containers.RepeatedCompositeFieldContainer[_audio_pb2.Word]
    confidence: float
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    start_ms: int
    end_ms: int
    total_ms: int
    def __init__(self, text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[_audio_pb2.Word, _Mapping]]] = ..., confidence: _Optional[float] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., total_ms: _Optional[int] = ...) -> None: ...

class BatchSummary(_message.Message):
    __slots__ = ("audio_s", "compute_s", "model")
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    audio_s: float
    compute_s: float
    model: str
    def __init__(self, audio_s: _Optional[float] = ..., compute_s: _Optional[float] = ..., model: _Optional[str] = ...) -> None: ...

class GetServingModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServingModel(_message.Message):
    __slots__ = ("model", "since", "active_streams", "language")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_STREAMS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    since: str
    active_streams: int
    language: str
    def __init__(self, model: _Optional[str] = ..., since: _Optional[str] = ..., active_streams: _Optional[int] = ..., language: _Optional[str] = ...) -> None: ...
