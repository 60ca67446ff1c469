"""Tests of objlib.catalog.sqlite."""
