"""The application protocols: lazy views over what the fast path found. One folder each, with the same small interface (``base``).

May be imported by ``track`` and above; imports ``fastpath`` and ``model``. Never raises on input, never judges, keeps no state.
"""
