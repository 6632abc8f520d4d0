from voxloom.v1 import audio_pb2 as _audio_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Take(_message.Message):
    __slots__ = ("prompt", "speaker", "language", "format", "audio_bytes")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_BYTES_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    speaker: str
    language: str
    format: _audio_pb2.AudioFormat
    audio_bytes: int
    def __init__(self, prompt: _Optional[str] = ..., speaker: _Optional[str] = ..., language: _Optional[str] = ..., format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., audio_bytes: _Optional[int] = ...) -> None: ...

class UploadTakeRequest(_message.Message):
    __slots__ = ("take", "audio")
    TAKE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    take: Take
    audio: bytes
    def __init__(self, take: _Optional[_Union[Take, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class UploadTakeResponse(_message.Message):
    __slots__ = ("utterance", "speaker", "record_key", "checks", "already_stored")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    RECORD_KEY_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    ALREADY_STORED_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    record_key: str
    checks: _audio_pb2.AudioChecks
    already_stored: bool
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., record_key: _Optional[str] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., already_stored: bool = ...) -> None: ...

class DeleteRecordingRequest(_message.Message):
    __slots__ = ("utterance", "speaker")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class DeleteRecordingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
