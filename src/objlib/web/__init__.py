"""The page: search, read, browse and watch in a browser. A thin front over the service."""
