"""``python -m policy_engine --settings FILE``."""

from bus.runtime.service import main
from policy_engine.service import PolicyEngineSettings, build

if __name__ == "__main__":
    main("policy_engine", PolicyEngineSettings, build)
