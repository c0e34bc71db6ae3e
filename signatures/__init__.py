"""The shipped signatures and lists. Data only: `sipsensor.signatures` reads it through `importlib.resources` as `sipsensor._signatures`.

This file makes the directory a package; without it an editable install finds no signature at all.
"""
