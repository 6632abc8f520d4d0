"""The gRPC edge of speakers, lists of takes and their review."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from services.recorder import exporting, messages, take_messages
from services.recorder.catalogue import Catalogue
from services.recorder.consents import Consents
from services.recorder.lookup import Lookup
from services.recorder.reviewing import Reviewing
from services.recorder.speakers import Speakers
from services.recorder.take_index import Listed
from services.recorder.takes import Takes
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc


class Review:
    """What the servicer calls, put together."""

    def __init__(self, store: ObjectStore, catalogue: Catalogue, takes: Takes) -> None:
        self.store = store
        self.takes = takes
        self.catalogue = catalogue
        self.lookup = Lookup(store, catalogue)
        self.speakers = Speakers(store, catalogue)
        self.consents = Consents(store)
        self.reviewing = Reviewing(store, catalogue)


class ReviewServicer(recorder_pb2_grpc.RecorderServiceServicer):
    """Half of the service; `RecorderServicer` is the whole."""

    def __init__(self, review: Review) -> None:
        self._review = review

    async def RegisterSpeaker(self, request: pb.RegisterSpeakerRequest, context: Any) -> pb.Speaker:
        found = await blocking(
            self._review.speakers.register, request.name, request.language, request.licence, request.consent
        )
        return take_messages.speaker(found)

    async def ListSpeakers(self, request: pb.ListSpeakersRequest, context: Any) -> pb.ListSpeakersResponse:
        found = await blocking(self._review.speakers.all)
        return pb.ListSpeakersResponse(speakers=map(take_messages.speaker, found))

    async def InviteSpeaker(self, request: pb.InviteSpeakerRequest, context: Any) -> pb.InviteSpeakerResponse:
        return pb.InviteSpeakerResponse(token=await blocking(self._review.speakers.invite, request.speaker))

    async def SetConsentText(self, request: pb.SetConsentTextRequest, context: Any) -> pb.ConsentText:
        found = await blocking(self._review.consents.set, request.language, request.text)
        return take_messages.consent_text(found)

    async def GetConsentText(self, request: pb.GetConsentTextRequest, context: Any) -> pb.ConsentText:
        return take_messages.consent_text(await blocking(self._review.consents.get, request.language))

    async def ListConsentTexts(
        self, request: pb.ListConsentTextsRequest, context: Any
    ) -> pb.ListConsentTextsResponse:
        found = await blocking(self._review.consents.all)
        return pb.ListConsentTextsResponse(texts=map(take_messages.consent_text, found))

    async def ListTakes(self, request: pb.ListTakesRequest, context: Any) -> pb.ListTakesResponse:
        return await blocking(self._page, request)

    async def ReadTake(self, request: pb.ReadTakeRequest, context: Any) -> AsyncIterator[pb.ReadTakeResponse]:
        with await blocking(self._review.lookup.open, request.speaker, request.utterance) as file:
            while data := await blocking(file.read, exporting.PART_BYTES):
                yield pb.ReadTakeResponse(data=data)

    async def ReviewTakes(self, request: pb.ReviewTakesRequest, context: Any) -> pb.ReviewTakesResponse:
        names = [(take.speaker, take.utterance) for take in request.takes]
        verdict = take_messages.verdict(request.verdict)
        changed = await blocking(self._review.reviewing.review, names, verdict, request.reason)
        return pb.ReviewTakesResponse(changed=changed)

    async def ChooseTake(self, request: pb.ChooseTakeRequest, context: Any) -> pb.ChooseTakeResponse:
        await blocking(self._review.reviewing.choose, request.speaker, request.utterance, request.undo)
        return pb.ChooseTakeResponse()

    async def CorrectTake(self, request: pb.CorrectTakeRequest, context: Any) -> pb.UploadTakeResponse:
        take = await blocking(self._review.takes.correct, request.speaker, request.utterance, request.text)
        return messages.stored_take(take)

    async def ExportTakes(
        self, request: pb.ExportTakesRequest, context: Any
    ) -> AsyncIterator[pb.ExportTakesResponse]:
        table, asked = take_messages.table(request.format), take_messages.asked(request.takes)
        found = self._review.catalogue.each(asked)
        async for part in _beside(exporting.archive(self._review.store, found, table)):
            yield pb.ExportTakesResponse(data=part)

    def _page(self, request: pb.ListTakesRequest) -> pb.ListTakesResponse:
        asked, limit = take_messages.asked(request), take_messages.limit(request)
        catalogue = self._review.catalogue
        takes: list[Listed] = catalogue.page(asked, take_messages.place(request.after), limit + 1)
        total, minutes = catalogue.total(asked)
        return pb.ListTakesResponse(
            takes=map(take_messages.take_info, takes[:limit]),
            total=total,
            minutes=minutes,
            next=take_messages.after(takes[limit - 1].place) if len(takes) > limit else "",
        )


async def _beside(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each part is made in a thread, when the one before was taken."""
    while (part := await blocking(next, parts, None)) is not None:
        yield part
