"""The RPCs of all five services as a browser names them: `<service>/<Method>`, messages as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from voxloom.errors import BadInput
from voxloom.v1 import inference_pb2, ingest_pb2, optimizer_pb2, recorder_pb2, trainer_pb2

_FILES = {
    "recorder": recorder_pb2,
    "ingest": ingest_pb2,
    "trainer": trainer_pb2,
    "optimizer": optimizer_pb2,
    "inference": inference_pb2,
}


@dataclass(frozen=True)
class Method:
    service: str  # recorder, ...
    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        return f"{self.service}/{self.descriptor.name}"

    @property
    def path(self) -> str:
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def streams(self) -> bool:
        return self.descriptor.client_streaming or self.descriptor.server_streaming

    def read(self, json_text: str) -> Message:
        """A request of JSON as protobuf defines it; BadInput names what does not fit."""
        try:
            return json_format.Parse(json_text, self._request())
        except json_format.ParseError as error:
            raise BadInput(f"{self.name}: {str(error)[:300]}") from error

    def read_bytes(self, data: bytes) -> Message:
        """A request that is a chunk: its one field of bytes."""
        for field in self.descriptor.input_type.fields:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self._request(**{field.name: data})
        raise BadInput(f"{self.name} takes no chunks of bytes; send JSON as text")

    def call(self, channel: Any) -> Any:
        """The callable of gRPC, of its kind."""
        kinds = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        made = kinds[self.descriptor.client_streaming, self.descriptor.server_streaming]
        answer = message_factory.GetMessageClass(self.descriptor.output_type)
        return made(
            self.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    @property
    def _request(self) -> type[Message]:
        return message_factory.GetMessageClass(self.descriptor.input_type)


def as_json(message: Message) -> str:
    """All fields, also those that are zero or empty; 64-bit integers are strings, as protobuf defines it."""
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
    )


def _all() -> Mapping[str, Method]:
    found = [
        Method(name, method)
        for name, file in _FILES.items()
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    return {method.name: method for method in found}


METHODS = _all()
