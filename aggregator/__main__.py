"""``python -m aggregator --settings FILE``."""

from aggregator.service import AggregatorSettings, build
from bus.runtime.service import main

if __name__ == "__main__":
    main("aggregator", AggregatorSettings, build)
