"""kettlingard turns a folder of TOML files into processes that stay."""
