"""Alerts to decision: policy and trust. The only room that knows what an alert costs.

Imported by ``engine``; imports ``detect`` and below.
"""
