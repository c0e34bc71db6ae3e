"""Measuring on the operator's own machine: what a packet costs, as ratios to the least that it could cost there.

``traffic`` makes the packets, ``offline`` measures examine, judge and replay in this process, ``queue`` the live queue, in a network
namespace of its own. For ``cli``; judges nothing itself. Nothing here touches the network that the machine is on, and nothing stays.
"""
