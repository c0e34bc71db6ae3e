"""Pieces to wholes: IP fragments, TCP streams. Imports ``fastpath`` and ``model``; keeps bounded state; never judges."""
