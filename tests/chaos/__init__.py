"""Real processes, killed for real; see docs/reliability.md."""
