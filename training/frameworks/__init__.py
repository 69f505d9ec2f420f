"""One package per framework: the only places that import it. Each offers ``tabular`` (see ``training.registry``)."""
