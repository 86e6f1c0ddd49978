"""Services that are worth running; each has a definition in services.d/ and a test."""
