"""Congestion control: the amount that may be asked of the backend now."""
