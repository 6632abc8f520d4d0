"""What the recorder does about events: nothing, it is where the flow begins. Its clock removes leftovers."""

from collections.abc import Mapping

from voxloom.bus import Handler

HANDLERS: Mapping[str, Handler] = {}
