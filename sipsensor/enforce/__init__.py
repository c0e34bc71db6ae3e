"""What makes decisions real in the kernel: queueing rules now, sets of cut sources later. It applies what it is told and never judges."""
