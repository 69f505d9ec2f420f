"""The demonstration: three hospitals, one model, every claim checked. Real data, real processes, nothing staged."""
