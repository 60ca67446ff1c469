"""How much may be asked of the backend now."""
