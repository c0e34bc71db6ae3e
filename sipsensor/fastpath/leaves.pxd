from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

cdef enum:
    K_LITERAL, K_REGEX, K_PRESENT, K_LENGTH, K_COUNT, K_INTEGER, K_ORDER, K_SAME, K_TAG, K_ANOMALY, K_DIGITS,
    K_FRAME
    LEAF_WIDTH = 5              # numbers per leaf: kind and up to four more

# What the data of a tag leaf must be: any, or one of those that `leaves.pyx` reads.
cdef enum:
    TAG_ADDRESS, TAG_USER, TAG_GUESS, TAG_ANY

cdef int evaluate_leaf(int *leaf, int *orders, Cursor c, Head *h) noexcept nogil
