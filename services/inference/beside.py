"""Models that calls ask for by name, in memory beside the one in production: the last few that were used."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from voxloom import keys
from voxloom.errors import BadInput, NotFound, NotReady
from voxloom.rpc import blocking


class Named(Protocol):
    @property
    def id(self) -> str: ...


Model = TypeVar("Model", bound=Named)


class Beside(Generic[Model]):
    """One is loaded at a time, and the one that was not used for longest leaves first. A call that has one
    keeps it to its end, so that for a while there may be more in memory. Used from one event loop."""

    def __init__(self, load: Callable[[str], Model], most: int) -> None:
        self._load = load
        self._most = most
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, model: str) -> Model:
        """NotFound and NotReady say which model it is about."""
        if self._most == 0:
            raise NotFound(
                f"model {model[:100]!r} is not in production, and no other is served here "
                "(VOXLOOM_INFERENCE_MODELS_BESIDE is 0)"
            )
        if model not in self._loaded:
            async with self._loading:
                if model not in self._loaded:
                    self._loaded[model] = await self._read(model)
        while len(self._loaded) > self._most:
            self._loaded.popitem(last=False)
        self._loaded.move_to_end(model)
        return self._loaded[model]

    async def _read(self, model: str) -> Model:
        try:
            keys.check_id(model, "model")
        except BadInput as error:
            raise NotFound(f"there is no such model: {error}") from error
        try:
            return await blocking(self._load, model)
        except NotFound as error:
            raise NotFound(
                f"there is no model {model} in the store (`voxloom models list` names those there are)"
            ) from error
        except BadInput as error:
            raise NotReady(f"model {model} cannot be served: {error}") from error
