"""One TOML file to typed settings. Settings of a detector are a dataclass beside it; everything else is declared in
``config.settings``.
"""
