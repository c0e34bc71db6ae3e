"""Events: JSON lines in the shape of Suricata's EVE, which CrowdSec, Filebeat and every SIEM read
(docs/schemas/event.schema.json).

``build`` turns a decision into an event, ``text`` makes what an attacker wrote harmless and secret-free, ``volume``
caps a live log, ``log`` writes lines, ``summary`` counts a replay.
"""

from sipsensor.export.events.log import EventLog, EventLogError, open_events, reopen
from sipsensor.export.events.summary import Summary
from sipsensor.export.events.volume import VolumeCap

__all__ = ["EventLog", "EventLogError", "Summary", "VolumeCap", "open_events", "reopen"]
