"""``python -m coordinator --settings FILE``."""

from bus.runtime.service import main
from coordinator.service import CoordinatorSettings, build

if __name__ == "__main__":
    main("coordinator", CoordinatorSettings, build)
