"""Where packets come from: capture files and NFQUEUE. A source stamps, numbers and hands over; it never judges."""
