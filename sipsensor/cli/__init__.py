"""The command line: one file per command, nothing but arguments and printing. Exit 0 fine, 1 the answer is no, 2 usage or configuration."""
