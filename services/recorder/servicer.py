"""The gRPC edge of the recorder: messages to values, one call of the domain, values to messages."""

from typing import Any

import grpc

from services.recorder import messages
from services.recorder.progress import Mark
from services.recorder.prompting import Prompting
from services.recorder.review_servicer import Review, ReviewServicer
from services.recorder.takes import Takes
from services.recorder.uploads import PromptRequests, TakeRequests, Uploads
from voxloom.errors import BadInput
from voxloom.rpc import blocking
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc

NAME = pb.DESCRIPTOR.services_by_name["RecorderService"].full_name
_MARKS: dict[int, Mark] = {pb.PROMPT_MARK_SKIP: "skipped", pb.PROMPT_MARK_FLAG: "flagged"}


class RecorderServicer(ReviewServicer):
    def __init__(self, takes: Takes, prompting: Prompting, uploads: Uploads, review: Review) -> None:
        super().__init__(review)
        self._takes = takes
        self._prompting = prompting
        self._uploads = uploads

    def register(self, server: grpc.aio.Server) -> list[str]:
        recorder_pb2_grpc.add_RecorderServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [NAME]

    async def UploadTake(self, requests: TakeRequests, context: Any) -> pb.UploadTakeResponse:
        with self._uploads.slot("takes"):
            upload = await self._uploads.take(requests)
            take = await blocking(
                self._takes.add,
                upload.labels,
                upload.data,
                upload.pcm16,
                upload.refused,
            )
        return messages.stored_take(take)

    async def CheckTake(self, requests: TakeRequests, context: Any) -> pb.CheckTakeResponse:
        with self._uploads.slot("takes"):
            upload = await self._uploads.take(requests)
            checked = await blocking(self._takes.check, upload.labels, upload.data, upload.pcm16)
        return messages.checked_take(checked)

    async def DeleteRecording(
        self, request: pb.DeleteRecordingRequest, context: Any
    ) -> pb.DeleteRecordingResponse:
        await blocking(self._takes.delete, request.speaker, request.utterance)
        return pb.DeleteRecordingResponse()

    async def ListPromptLists(
        self, request: pb.ListPromptListsRequest, context: Any
    ) -> pb.ListPromptListsResponse:
        lists = await blocking(self._prompting.lists.all)
        return pb.ListPromptListsResponse(lists=map(messages.prompt_list, lists))

    async def ImportPrompts(self, requests: PromptRequests, context: Any) -> pb.ImportPromptsResponse:
        with self._uploads.slot("takes or prompts"):
            head, files = await self._uploads.prompt_files(requests)
            return messages.imported(await blocking(self._prompting.add, head.name, head.language, files))

    async def RemovePromptList(
        self, request: pb.RemovePromptListRequest, context: Any
    ) -> pb.RemovePromptListResponse:
        await blocking(self._prompting.lists.remove, request.name)
        return pb.RemovePromptListResponse()

    async def ListPrompts(self, request: pb.ListPromptsRequest, context: Any) -> pb.ListPromptsResponse:
        prompts, states = await blocking(
            self._prompting.page, request.list, request.speaker, request.after, request.limit
        )
        shown = states[-1].prompt.id if states else ""
        return pb.ListPromptsResponse(
            prompts=map(messages.prompt, states),
            language=prompts.language,
            last=not states or shown == prompts.prompts[-1].id,
        )

    async def NextPrompts(self, request: pb.NextPromptsRequest, context: Any) -> pb.NextPromptsResponse:
        prompts, states = await blocking(self._prompting.next, request.list, request.speaker, request.count)
        return pb.NextPromptsResponse(prompts=map(messages.prompt, states), language=prompts.language)

    async def MarkPrompt(self, request: pb.MarkPromptRequest, context: Any) -> pb.MarkPromptResponse:
        kind = _MARKS.get(request.mark)
        if kind is None:
            raise BadInput(f"mark {request.mark} is unknown; expected one of {pb.PromptMark.keys()[1:]}")
        if bool(request.reason) == request.undo:
            raise BadInput("to mark a prompt say why, in `reason`; to take it back send `undo` and no reason")
        await blocking(
            self._prompting.mark, request.list, request.speaker, request.prompt_id, kind, request.reason
        )
        return pb.MarkPromptResponse()

    async def GetProgress(self, request: pb.GetProgressRequest, context: Any) -> pb.Progress:
        return messages.progress(await blocking(self._prompting.standing, request.list, request.speaker))
