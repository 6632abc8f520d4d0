"""NVIDIA Riva's `RivaSpeechRecognition` on our gRPC port: messages in, values out, and back.

Its messages come from NVIDIA's package nvidia-riva-client (MIT). Importing this module without it, or with a
protobuf or grpcio that is older than its stubs, raises ImportError, VersionError or RuntimeError.
"""

from collections.abc import AsyncIterator
from functools import partial

import grpc.aio
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from services.inference.asked import check_language, model_for, model_named
from services.inference.config import InferenceConfig
from services.inference.encodings import Declared, Encoding, open_audio, to_pcm16
from services.inference.incoming import Incoming
from services.inference.models import Models, ServedModel
from services.inference.options import MAX_ALTERNATIVES, Options, listener
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, read_audio, recognize
from services.inference.streaming import Pace, Result, StreamTranscriber
from voxloom.audio import SAMPLE_RATE_HZ, Audio
from voxloom.decode import Hypothesis, Word
from voxloom.errors import BadInput

NAME = pb.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name
BOOSTS = 20.0  # of theirs to one of ours
_ENCODINGS = {
    AudioEncoding.ENCODING_UNSPECIFIED: Encoding.UNKNOWN,
    AudioEncoding.LINEAR_PCM: Encoding.PCM16,
    AudioEncoding.FLAC: Encoding.PACKED,
    AudioEncoding.OGGOPUS: Encoding.PACKED,
    AudioEncoding.MULAW: Encoding.MULAW,
    AudioEncoding.ALAW: Encoding.ALAW,
}


class RivaServicer(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """What is not done is refused by its name; punctuation, profanity and verbatim are hints about letters
    that the model's alphabet does not have."""

    def __init__(self, models: Models, pool: Pool, config: InferenceConfig) -> None:
        self._models = models
        self._pool = pool
        self._max_audio_s = config.inference_max_audio_s
        self._pace = Pace.of(config.inference_interim_s, config.inference_pause_s)

    def register(self, server: grpc.aio.Server) -> list[str]:
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(self, server)
        return [NAME]

    async def Recognize(self, request: pb.RecognizeRequest, context: object) -> pb.RecognizeResponse:
        """A file, or samples of the rate and encoding that the configuration names; one result."""
        with self._pool.calls.enter():
            model = await self._model_for(request.config)
            read = partial(_read, request.audio, _declared(request.config), self._max_audio_s)
            found = await recognize(model, self._pool, read)
        has_times = request.config.enable_word_time_offsets
        result = pb.SpeechRecognitionResult(
            alternatives=_alternatives(found.best, has_times),
            channel_tag=1,
            audio_processed=found.audio_s,
        )
        return pb.RecognizeResponse(results=[result], id=_id_of(request))

    async def StreamingRecognize(
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: object
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        """The first message is the configuration, the others are audio in pieces of any size."""
        messages = aiter(requests)
        first = await anext(messages, None)
        if first is None or first.WhichOneof("streaming_request") != "streaming_config":
            raise BadInput("the first message of a stream must be its streaming_config")
        config, call_id = first.streaming_config.config, _id_of(first)
        with self._pool.streams.enter():
            model = await self._model_for(config)
            stream = self._begin(model, first.streaming_config)
            async for message in messages:
                async for result in stream.push(_audio(message)):
                    yield _response(result, config.enable_word_time_offsets, call_id)
            async for result in stream.finish():
                yield _response(result, config.enable_word_time_offsets, call_id)

    async def GetRivaSpeechRecognitionConfig(
        self, request: pb.RivaSpeechRecognitionConfigRequest, context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        """The model that is served, once as one for files and once as one for streams, as Riva lists them."""
        model = model_named(self._models, request.model_name)
        return pb.RivaSpeechRecognitionConfigResponse(
            model_config=[_described(model, kind) for kind in ("offline", "online")]
        )

    async def _model_for(self, config: pb.RecognitionConfig) -> ServedModel:
        _refuse_what_is_not_done(config)
        model = await model_for(self._models, config.model)
        check_language(model, config.language_code)
        return await listener(model, self._pool, _options(config))

    def _begin(self, model: ServedModel, streaming: pb.StreamingRecognitionConfig) -> Incoming:
        pace = self._pace.with_pause(streaming.config.endpointing_config.stop_history / 1000)

        def begin(pcm: Pcm16) -> StreamTranscriber:
            return StreamTranscriber(model, self._pool, pcm, streaming.interim_results, pace)

        return Incoming(begin, self._pool, _declared(streaming.config), self._max_audio_s)


def _refuse_what_is_not_done(config: pb.RecognitionConfig) -> None:
    if config.diarization_config.enable_speaker_diarization:
        raise BadInput("diarization_config: voxloom does not tell speakers apart; leave it out")
    if config.enable_separate_recognition_per_channel and config.audio_channel_count > 1:
        raise BadInput(
            "enable_separate_recognition_per_channel: channels are mixed here; send each as a call of its own"
        )


def _options(config: pb.RecognitionConfig) -> Options:
    """Riva's boosts are from 20 for a hint to 100 for what must be heard, ours a twentieth of that."""
    hot_words = [
        (phrase, hints.boost / BOOSTS)
        for hints in config.speech_contexts
        for phrase in hints.phrases
        if phrase
    ]
    return Options(hot_words, min(config.max_alternatives, MAX_ALTERNATIVES))


def _declared(config: pb.RecognitionConfig) -> Declared:
    encoding = _ENCODINGS.get(config.encoding)
    if encoding is None:
        known = ", ".join(AudioEncoding.Name(number) for number in _ENCODINGS)
        raise BadInput(f"encoding {config.encoding} is not known; expected one of {known}")
    return Declared(encoding, config.sample_rate_hertz, config.audio_channel_count or 1)


def _read(data: bytes, declared: Declared, max_audio_s: float) -> Audio:
    """Of bare samples, or of a file, whose own header counts."""
    if not data:
        raise BadInput("audio is empty (0 bytes); send a recording")
    is_untold = declared.encoding is Encoding.UNKNOWN and declared.sample_rate_hz == 0
    if is_untold or data[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return read_audio(data, None, max_audio_s)
    opened = open_audio(data, declared, is_whole=True)
    if opened is None or opened.pcm is None:
        return read_audio(data, None, max_audio_s)
    return read_audio(to_pcm16(opened.encoding, data), opened.pcm, max_audio_s)


def _audio(message: pb.StreamingRecognizeRequest) -> bytes:
    if message.WhichOneof("streaming_request") == "streaming_config":
        raise BadInput("a stream has one streaming_config, its first message; audio_content was expected")
    audio: bytes = message.audio_content
    return audio


def _response(result: Result, has_times: bool, call_id: object) -> pb.StreamingRecognizeResponse:
    heard = result.hypothesis
    found = pb.StreamingRecognitionResult(
        alternatives=_alternatives(heard, has_times),
        is_final=result.is_final,
        stability=result.stability,
        channel_tag=1,
        audio_processed=result.end_ms / 1000,
    )
    return pb.StreamingRecognizeResponse(results=[found], id=call_id)


def _alternatives(heard: Hypothesis, has_times: bool) -> list[pb.SpeechRecognitionAlternative]:
    return [
        _alternative(each.text, each.words, each.confidence, has_times)
        for each in (heard, *heard.alternatives)
    ]


def _alternative(
    text: str, words: list[Word], confidence: float, has_times: bool
) -> pb.SpeechRecognitionAlternative:
    """Riva's transcripts end with a space, so that clients put results together by adding them up."""
    return pb.SpeechRecognitionAlternative(
        transcript=f"{text} " if text else "",
        confidence=confidence,
        words=[_word(word) for word in words] if has_times else [],
    )


def _word(word: Word) -> pb.WordInfo:
    return pb.WordInfo(
        word=word.text,
        start_time=round(1000 * word.start_s),
        end_time=round(1000 * word.end_s),
        confidence=word.confidence,
    )


def _id_of(request: pb.RecognizeRequest | pb.StreamingRecognizeRequest) -> object:
    """The id that the caller gave the request comes back with each answer."""
    return request.id if request.HasField("id") else None


def _described(model: ServedModel, kind: str) -> object:
    parameters = {
        "type": kind,
        "streaming": str(kind == "online"),
        "language_code": ",".join(model.record.languages),
        "sample_rate": str(SAMPLE_RATE_HZ),
    }
    return pb.RivaSpeechRecognitionConfigResponse.Config(model_name=model.id, parameters=parameters)
