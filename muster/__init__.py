"""The faces of Muster: the SDK, the command line and, later, the web.

Stands on ``bus`` and ``training``, and may use a service's pure ``domain`` to verify and replay offline.
"""
