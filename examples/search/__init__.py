"""Full-text search over a folder of text files, as a service."""
