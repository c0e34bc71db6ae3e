# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sets of IP networks, asked with every packet."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

import ipaddress

_MAPPED = ipaddress.ip_network("::ffff:0:0/96")


cdef class Networks:
    """A set of IP networks as merged ranges of 16-byte addresses. Raises ValueError for text that is no network or address."""

    def __cinit__(self, networks=()):
        four, six = [], []
        for text in networks:
            network = ipaddress.ip_network(text, strict=False)
            if network.version == 4:
                four.append(network)
            elif network.subnet_of(_MAPPED):
                four.append(ipaddress.ip_network((network.network_address.packed[12:], network.prefixlen - 96)))
            elif _MAPPED.subnet_of(network):
                six += network.address_exclude(_MAPPED)     # every IPv6 address, and no IPv4 one
            else:
                six.append(network)
        merged = [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]
        blob = b"".join(sorted(_packed(network.network_address) + _packed(network.broadcast_address) for network in merged))
        self.texts = tuple(str(network) for network in merged)
        self.count = <int> len(merged)
        self.ranges = <uint8_t *> calloc(len(blob) + 1, 1)
        if self.ranges == NULL:
            raise MemoryError
        memcpy(self.ranges, <const char *> blob, len(blob))

    def __dealloc__(self):
        free(self.ranges)

    def __len__(self):
        return self.count

    cdef bint holds(self, const uint8_t *address) noexcept nogil:
        cdef int low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if memcmp(self.ranges + middle * 32, address, 16) <= 0:
                low = middle + 1
            else:
                high = middle
        return low > 0 and memcmp(self.ranges + (low - 1) * 32 + 16, address, 16) >= 0

    cpdef bint contains(self, bytes address):
        """``address`` is 16 bytes, IPv4 as ::ffff:a.b.c.d; anything else is in no network."""
        return len(address) == 16 and self.holds(<const uint8_t *> <const char *> address)


def _packed(address):
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
