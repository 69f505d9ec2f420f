"""The catalogue: every event, command and signal that crosses the bus, as frozen pydantic models.

Events are facts in the past tense and stay for ever; commands are orders to one edge; signals are leases and
progress that may be lost. Models here carry meaning only; how they travel is ``bus.wire``. A new field needs
a default that old messages can live with; a change of meaning is a new ``VERSION`` with an upcaster.
"""

from bus.events.base import Body, Command, Event, Payload, Role, Signal
from bus.events.catalogue import CATALOGUE, Catalogue

__all__ = ["CATALOGUE", "Body", "Catalogue", "Command", "Event", "Payload", "Role", "Signal"]
