"""Orders and questions from people on this machine, over a Unix socket: a line of JSON there, a line of JSON back.

``server`` runs in the sensor and knows nothing of what it is asked: ``live`` hands it the commands by name. ``client`` is for ``cli``.
May be imported by ``app`` and above; imports nothing of sipsensor but ``model``. It never judges, and never raises into the sensor.

A request is ``{"command": NAME, "arguments": {...}}``, an answer ``{"answer": {...}}`` or ``{"error": TEXT}``.
"""


class ControlError(Exception):
    """The control socket cannot be opened, or nobody answers there. The text is one line for the operator."""
