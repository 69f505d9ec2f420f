"""What every service needs around its own logic: lifecycle, settings, logs, traces, speaking and listening."""
