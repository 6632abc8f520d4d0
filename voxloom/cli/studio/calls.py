"""What a session asks for, as calls of the recorder."""

from dataclasses import dataclass
from typing import Any

import grpc

from voxloom.cli.connect import CALL_TIMEOUT_S, explain
from voxloom.cli.feed import upload
from voxloom.cli.sending import TAKE_TIMEOUT_S, messages_of
from voxloom.cli.studio.steps import Answer, Call, Check, Failed, Fetch, Fetched, Mark, Refused, Store
from voxloom.errors import VoxloomError
from voxloom.v1 import audio_pb2
from voxloom.v1 import recorder_pb2 as pb


@dataclass(frozen=True)
class Caller:
    """Who reads what, and where it goes. One call at a time."""

    recorder: Any  # the stub
    address: str
    prompts: str
    speaker: str
    language: str
    order: "pb.PromptOrder"
    rate_hz: int

    def answer(self, call: Call) -> Answer:
        try:
            return self._do(call)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT and isinstance(call, (Check, Store)):
                return Refused(error.details() or "refused without a reason")
            return Failed(str(explain(error, "recorder", self.address)))
        except VoxloomError as error:
            return Failed(str(error))

    def _do(self, call: Call) -> Answer:
        match call:
            case Fetch():
                return self._fetch()
            case Check(prompt, pcm):
                take = self._take(prompt)
                take.listen = True
                checked: pb.CheckTakeResponse = upload(
                    self.recorder.CheckTake, messages_of(take, pcm), TAKE_TIMEOUT_S
                )
                return checked
            case Store(prompt, pcm, anyway):
                take = self._take(prompt)
                take.faults = pb.FAULT_POLICY_ACCEPT_ALL if anyway else pb.FAULT_POLICY_REFUSE_ALL
                stored: pb.UploadTakeResponse = upload(
                    self.recorder.UploadTake, messages_of(take, pcm), TAKE_TIMEOUT_S
                )
                return stored
            case Mark(prompt, skip, reason):
                return self._mark(prompt, skip, reason)

    def _fetch(self) -> Fetched:
        wanted = pb.NextPromptsRequest(list=self.prompts, speaker=self.speaker, count=1, order=self.order)
        found = self.recorder.NextPrompts(wanted, timeout=TAKE_TIMEOUT_S).prompts
        asked = pb.GetProgressRequest(list=self.prompts, speaker=self.speaker)
        progress = self.recorder.GetProgress(asked, timeout=TAKE_TIMEOUT_S)
        return Fetched(found[0] if found else None, progress)

    def _mark(self, prompt: pb.Prompt, skip: bool, reason: str) -> pb.MarkPromptResponse:
        request = pb.MarkPromptRequest(
            list=self.prompts,
            speaker=self.speaker,
            prompt_id=prompt.id,
            mark=pb.PROMPT_MARK_SKIP if skip else pb.PROMPT_MARK_FLAG,
            reason=reason,
        )
        marked: pb.MarkPromptResponse = self.recorder.MarkPrompt(request, timeout=CALL_TIMEOUT_S)
        return marked

    def _take(self, prompt: pb.Prompt) -> pb.Take:
        form = audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=self.rate_hz, channels=1
        )
        return pb.Take(
            prompt=prompt.text,
            speaker=self.speaker,
            language=self.language,
            format=form,
            prompt_list=self.prompts,
            prompt_id=prompt.id,
        )
