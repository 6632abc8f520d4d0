"""gRPC to function calls: messages in, values out."""

import grpc.aio
from google.protobuf.message import Message

from services.optimizer import catalogue, command
from services.optimizer.catalogue import Entry
from services.optimizer.records import Decision, ErrorCounts
from voxloom import keys
from voxloom.bundle import ProductionPointer, read_pointer
from voxloom.bus import EventBus
from voxloom.errors import NotReady
from voxloom.forgotten import num_withdrawn
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore
from voxloom.v1 import optimizer_pb2 as pb
from voxloom.v1 import optimizer_pb2_grpc

NAME = pb.DESCRIPTOR.services_by_name["OptimizerService"].full_name


class OptimizerServicer(optimizer_pb2_grpc.OptimizerServiceServicer):
    def __init__(self, store: ObjectStore, bus: EventBus) -> None:
        self._store = store
        self._bus = bus

    def register(self, server: grpc.aio.Server) -> list[str]:
        optimizer_pb2_grpc.add_OptimizerServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [NAME]

    async def ListModels(self, request: pb.ListModelsRequest, context: object) -> Message:
        production, entries = await blocking(self._list)
        models = await blocking(lambda: [self._message(entry, production) for entry in entries])
        return pb.ListModelsResponse(models=models, production=production.model)

    async def GetModel(self, request: pb.GetModelRequest, context: object) -> Message:
        return await blocking(self._get, request.model)

    async def PromoteModel(self, request: pb.PromoteModelRequest, context: object) -> Message:
        previous = await blocking(command.promote_model, self._store, self._bus, request.model, request.force)
        return pb.PromoteModelResponse(model=request.model, previous=previous)

    async def RollbackModel(self, request: pb.RollbackModelRequest, context: object) -> Message:
        model, previous = await blocking(command.rollback_model, self._store, self._bus)
        return pb.RollbackModelResponse(model=model, previous=previous)

    async def PinModel(self, request: pb.PinModelRequest, context: object) -> Message:
        model = await blocking(command.pin_model, self._store, request.model, request.why)
        return pb.PinModelResponse(model=model)

    async def UnpinModel(self, request: pb.UnpinModelRequest, context: object) -> Message:
        return pb.UnpinModelResponse(model=await blocking(command.unpin_model, self._store))

    def _list(self) -> tuple[ProductionPointer, list[Entry]]:
        return self._production(), catalogue.list_models(self._store)

    def _get(self, model: str) -> pb.Model:
        production = self._production()
        if not (model or production.model):
            raise NotReady("no model is in production yet; train one, or promote one by hand")
        return self._message(catalogue.get_model(self._store, model or production.model), production)

    def _message(self, entry: Entry, production: ProductionPointer) -> pb.Model:
        """A model that was made while its run was being marked has only the mark of the run."""
        folders = (f"models/{entry.bundle.model}", f"runs/{entry.bundle.run}")
        withdrawn = max(num_withdrawn(self._store, keys.withdrawn(folder)) for folder in folders)
        return to_message(entry, production, withdrawn)

    def _production(self) -> ProductionPointer:
        """Of no model while there is none."""
        pointer, _ = read_pointer(self._store)
        return pointer or ProductionPointer(model="")


def to_message(entry: Entry, production: ProductionPointer, withdrawn: int = 0) -> pb.Model:
    bundle, decision = entry.bundle, entry.decision
    message = pb.Model(
        id=bundle.model,
        run=bundle.run,
        dataset=bundle.dataset,
        created_at=bundle.created_at,
        production=bundle.model == production.model,
        served_file=bundle.served_file,
        served_bytes=bundle.files[bundle.served_file].size,
        bundle_json=bundle.model_dump_json(),
        withdrawn_utterances=withdrawn,
    )
    if message.production and production.pin:
        message.pinned = True
        message.pinned_at, message.pinned_why = production.pin.at, production.pin.why
    if decision:
        _add_decision(message, decision)
    return message


def _add_decision(message: pb.Model, decision: Decision) -> None:
    message.decision = decision.outcome
    message.reasons.extend(decision.reasons)
    message.test.CopyFrom(_word_errors(decision.served.words))
    message.real_time_factor = decision.served.real_time_factor
    message.decision_json = decision.model_dump_json()


def _word_errors(counts: ErrorCounts) -> pb.WordErrors:
    return pb.WordErrors(
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        reference_words=counts.reference,
        utterances=counts.utterances,
        wer=counts.rate,
        wer_low=counts.low,
        wer_high=counts.high,
    )
