"""Pieces to wholes: IP fragments (TCP streams come later). Imports ``fastpath`` and ``model``; keeps bounded state; never judges."""
