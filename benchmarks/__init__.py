"""Speed beside a baseline measured in the same run. `make bench` prints tables with ratios."""
