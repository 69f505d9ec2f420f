"""A whole federation in one directory: keys, settings, a NATS server and one process per service."""
