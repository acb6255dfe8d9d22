"""Settings of the commands; each field's default, bounds and docstring are its option's and its TOML key's."""
