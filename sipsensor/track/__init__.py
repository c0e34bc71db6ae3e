"""What a message means in its exchange: direction, transaction, account, standing. Message in, observation out.

May be imported by ``detect`` and above; imports ``protocols`` and below. It states facts and never judges.
"""
