"""``python -m audit_sink --settings FILE``."""

from __future__ import annotations

from audit_sink.service import AuditSinkSettings, build
from bus.runtime.service import main

if __name__ == "__main__":
    main("audit_sink", AuditSinkSettings, build)
